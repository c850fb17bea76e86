"""Advantages of completions within their group."""

from medix.advantages.base import Advantage
from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.rloo import RLOOAdvantage

__all__ = ["Advantage", "DrGRPOAdvantage", "GRPOAdvantage", "RLOOAdvantage"]
