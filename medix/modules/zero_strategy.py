"""Training with DeepSpeed ZeRO: optimiser state, gradients and weights in parts, checkpoints in one file."""

import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.distributed.constants import default_pg_timeout

from medix.distributed import rank
from medix.modules import checkpoint_file
from medix.modules.zero_state import ZeroState
from medix.policy.vision_language import VisionLanguagePolicy
from medix.policy.zero import ZeRO

_ARGUMENTS = {"stage": "stage", "offload_optimizer": "offload_optimizer", "offload_param": "offload_parameters"}
"""Keys of DeepSpeed's block that have arguments of their own."""


class ZeroStrategy(DDPStrategy):
    """DeepSpeed ZeRO (arXiv:1910.02054) around the policy, on GPUs and on a CPU.

    Lightning's own DeepSpeedStrategy is not used: it refuses a CPU, counts the passes of a step wrongly where one
    training step makes several, and writes folders of pickles, which run code when they are read. Here a checkpoint is
    one file as of every other strategy: whole float32 weights and optimiser state by parameter. So it can be validated
    and exported anywhere, and a run goes on from it with another number of ranks, or with ``ddp``; folders that
    DeepSpeed wrote are not read.

    With ``bf16-mixed`` the ranks compute with bfloat16 weights and keep float32 ones in parts for the optimiser, which
    begin at the weights rounded to bfloat16. Gradients of micro-batches and ranks are added in float32, in stage 1 in
    bfloat16. Validation, test and prediction hold all weights on every rank.

    Args:
        stage: 1 divides optimiser state and float32 weights among the ranks, 2 gradients too, 3 also the weights.
        offload_optimizer: keep optimiser state and float32 weights in main memory, and step there.
        offload_parameters: keep the parts of the weights in main memory; stage 3 only.
        zero_optimization: further keys of the block ``zero_optimization`` of DeepSpeed's configuration, such as
            ``reduce_bucket_size``; not those that other arguments set. Offloading to NVMe is not supported.
        timeout: how long a rank waits for the others; derived from the limits of engine and judges unless given.
    """

    def __init__(
        self,
        stage: Literal[1, 2, 3] = 3,
        offload_optimizer: bool = False,
        offload_parameters: bool = False,
        zero_optimization: dict[str, Any] | None = None,
        timeout: timedelta = default_pg_timeout,
    ) -> None:
        super().__init__(timeout=timeout)
        if offload_parameters and stage != 3:
            raise ValueError(
                f"trainer.strategy.offload_parameters: stage {stage} does not divide the weights; set stage: 3, or "
                "offload_optimizer: true alone"
            )
        self.stage = stage
        self.offload_optimizer = offload_optimizer
        self.offload_parameters = offload_parameters
        self.zero_optimization = zero_optimization or {}
        for key in sorted(_ARGUMENTS.keys() & self.zero_optimization.keys()):
            raise ValueError(
                f"trainer.strategy.zero_optimization: {key} has an argument of its own; leave it out, and set "
                f"trainer.strategy.{_ARGUMENTS[key]}"
            )
        self._state: ZeroState | None = None

    def setup(self, trainer: Trainer) -> None:
        """Divide the policy among the ranks; outside of ``fit`` every rank keeps all of it."""
        policy = self._policy
        if str(trainer.precision) == "bf16-mixed" or policy.dtype == "bfloat16":
            policy.to(torch.bfloat16)
        if trainer.state.fn != TrainerFn.FITTING:
            super().setup(trainer)
            return
        assert self.accelerator is not None
        self.accelerator.setup(trainer)
        self.setup_optimizers(trainer)
        (optimizer,) = self.optimizers
        groups = [list(group["params"]) for group in optimizer.param_groups]
        deepspeed, config = _deepspeed(self.root_device), self._config()
        if self.stage == 3:
            deepspeed.zero.Init(module=policy, config_dict_or_path=config)  # one weight moves after the other
        self.model_to_device()
        engine, divided, *_ = deepspeed.initialize(
            model=policy,
            model_parameters=[parameter for group in groups for parameter in group],
            optimizer=optimizer,
            config=config,
            dist_init_required=False,
        )
        policy.sharding = ZeRO(engine, policy.layers)
        self.optimizers, self._state = [divided], ZeroState(divided, groups)

    def check(self, create: OptimizerCallable) -> None:
        """Refuse what DeepSpeed would, or would do wrongly, before any weights are read.

        Args:
            create: makes the optimizer of the run.

        Raises:
            ValueError: names the key, its value and the remedy.
        """
        check_optimizer(create, self.root_device)
        _deepspeed(self.root_device)
        from deepspeed.runtime.zero.config import DeepSpeedZeroConfig
        from pydantic import ValidationError  # which DeepSpeed requires

        try:
            DeepSpeedZeroConfig(**self._zero())
        except ValidationError as error:
            (first, *_) = error.errors()
            raise ValueError(
                f"trainer.strategy.zero_optimization: {'.'.join(map(str, first['loc']))}: {first['input']!r}: "
                f"{first['msg']}; correct it or leave it out"
            ) from error

    def _zero(self) -> dict[str, Any]:
        """The block ``zero_optimization``."""
        zero: dict[str, Any] = {"stage": self.stage, **self.zero_optimization}
        for given, key in ((self.offload_optimizer, "offload_optimizer"), (self.offload_parameters, "offload_param")):
            if given:
                zero[key] = {"device": "cpu", "pin_memory": self.root_device.type == "cuda"}
        return zero

    def _config(self) -> dict[str, Any]:
        dtype = next(self._policy.parameters()).dtype
        return config_of(self._zero(), dtype, self._module.update.max_grad_norm)

    @property
    def _module(self) -> Any:
        """The GroupRLModule, whose file imports this one."""
        return self.lightning_module

    @property
    def _policy(self) -> VisionLanguagePolicy:
        policy = self._module.policy
        if not isinstance(policy, VisionLanguagePolicy):
            raise TypeError(
                f"model.policy: the weights of a {type(policy).__name__} cannot be divided; give trainer.strategy: ddp"
            )
        return policy

    def backward(self, closure_loss: Tensor, optimizer: Any, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ARG002
        """Let DeepSpeed reduce the gradients of this pass."""
        self._engine.backward(closure_loss, *args, **kwargs)
        return closure_loss

    def optimizer_step(self, optimizer: Any, closure: Any, model: Any = None, **kwargs: Any) -> Any:  # noqa: ARG002
        """Let DeepSpeed clip the gradient and step."""
        closure()
        return self._engine.step(**kwargs)

    @property
    def _engine(self) -> Any:
        sharding = self._policy.sharding
        assert isinstance(sharding, ZeRO)
        return sharding.engine

    # Checkpoints: whole tensors, as without ZeRO.

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Trained weights in float32, and buffers; on rank 0, but every rank must call it."""
        if self._state is None:
            return super().lightning_module_state_dict()
        module = self._module
        weights = dict(self._state.weights())
        names = dict(module.named_parameters(remove_duplicate=False))
        found = {name: weights[one] for name, one in names.items() if one in weights}
        buffers = {name: value for name, value in module.state_dict().items() if name not in names}
        return {**buffers, **found} if rank() == 0 else {}

    def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
        """By parameter, as torch's optimizer gives it; on rank 0, but every rank must call it."""
        return super().optimizer_state(optimizer) if self._state is None else self._state.state_dict()

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Map the file into memory, which the ranks of a machine then share."""
        return checkpoint_file.read(checkpoint_path)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this rank's parts; also of float32 weights, which bfloat16 ones have lost."""
        assert self._state is not None
        names = dict(self._module.named_parameters(remove_duplicate=False))
        weights = {names[name]: value for name, value in checkpoint["state_dict"].items() if name in names}
        (saved,) = checkpoint["optimizer_states"]
        self._state.load(saved, weights)


def config_of(zero: Mapping[str, Any], dtype: torch.dtype, max_grad_norm: float | None) -> dict[str, Any]:
    """DeepSpeed's configuration.

    Args:
        zero: its block ``zero_optimization``.
        dtype: of the weights that passes read.
        max_grad_norm: gradients are scaled down to it; None switches clipping off.
    """
    config = {
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # the optimizer of the spec, also where it is offloaded
        "bf16": {"enabled": dtype == torch.bfloat16},
        "gradient_clipping": max_grad_norm or 0.0,
        "train_micro_batch_size_per_gpu": 1,  # for DeepSpeed's own logs
    }
    if dtype == torch.bfloat16 and zero["stage"] > 1:
        # In bfloat16, 64 micro-batches change a gradient by 1 %. Stage 1 would take an optimizer of another kind.
        config |= {"data_types": {"grad_accum_dtype": "fp32"}, "communication_data_type": "fp32"}
    return config


def check_optimizer(create: OptimizerCallable, device: torch.device) -> None:
    """Refuse an optimizer that steps parts of a weight otherwise than the whole: ZeRO steps flat parts of many weights.

    Raises:
        ValueError: names the optimizer.
    """
    weight = torch.linspace(-1.0, 1.0, 64 * 128, device=device).view(64, 128)
    name, whole = _stepped(create, [weight])
    try:
        _, parts = _stepped(create, torch.split(weight.flatten(), [1000, 64 * 128 - 1000]))
    except (ValueError, RuntimeError):  # it wants matrices
        parts = torch.full_like(whole, math.nan)
    if not (parts - whole).abs().max() <= 1e-3 * (whole - weight.flatten()).abs().max():
        raise ValueError(
            f"model.optimizer: {name} steps a part of a weight otherwise than the whole weight, and ZeroStrategy steps "
            "flat parts of many; give torch.optim.AdamW or another optimizer that treats each number alone, or "
            "another trainer.strategy"
        )


def _stepped(create: OptimizerCallable, weights: Sequence[Tensor]) -> tuple[str, Tensor]:
    """Name of the optimizer, and all numbers after three steps with gradients that differ in size."""
    parameters = [torch.nn.Parameter(weight.clone()) for weight in weights]
    optimizer = create(parameters)
    with torch.compiler.set_stance("force_eager"):  # compiling takes a minute
        for factor in (1.0, 3.0, -0.5):
            for parameter, weight in zip(parameters, weights, strict=True):
                parameter.grad = factor * weight**3
            optimizer.step()
    return type(optimizer).__name__, torch.cat([parameter.detach().flatten() for parameter in parameters])


def _deepspeed(device: torch.device) -> Any:
    """The library, told which devices to use, and on a CPU not to compile anything.

    Raises:
        ValueError: it uses other devices already; with the remedy.
    """
    os.environ.setdefault("DS_ACCELERATOR", device.type)
    try:
        import deepspeed
    except ImportError as error:
        raise ImportError(
            "trainer.strategy: ZeroStrategy needs DeepSpeed; pip install 'medix-rl[deepspeed]'"
        ) from error
    found = deepspeed.accelerator.get_accelerator().device_name()
    if found != device.type:
        raise ValueError(
            f"trainer.strategy: DeepSpeed was imported for {found}, and trainer.accelerator is {device.type}; set "
            f"DS_ACCELERATOR={device.type} in the environment"
        )
    deepspeed.utils.logging.logger.setLevel("ERROR")
    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # gloo instead of an extension of its own
    return deepspeed
