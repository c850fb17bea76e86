"""What vLLM calls in each of its processes as it starts: our way of taking weights up, made known by its name.

Named in ``pyproject.toml`` under ``vllm.general_plugins``. Free of torch, for vLLM calls it in every process.
"""

BACKEND = "medix_folder"
"""What ``--weight-transfer-config`` calls it."""


def register() -> None:
    """Make ``FolderReceiver`` known to vLLM; a second call does nothing."""
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

    # The registry refuses a name that it has, and has no way to ask for one.
    if BACKEND not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(BACKEND, "medix.rollout.serving.folder_receiver", "FolderReceiver")
