"""Advantages of completions within their group."""

from medix.advantages.base import Advantage
from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.max_variance_subset import MaxVarianceSubset
from medix.advantages.rloo import RLOOAdvantage
from medix.advantages.subset import Subset

__all__ = ["Advantage", "DrGRPOAdvantage", "GRPOAdvantage", "MaxVarianceSubset", "RLOOAdvantage", "Subset"]
