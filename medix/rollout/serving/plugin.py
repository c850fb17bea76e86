"""The plugin that vLLM loads in each of its processes: registers how weights are loaded from a folder.

Named in ``pyproject.toml`` under ``vllm.general_plugins``. Imports no torch, because vLLM calls it in every process.
"""

BACKEND = "medix_folder"
"""Its name in ``--weight-transfer-config``."""


def register() -> None:
    """Register ``FolderReceiver`` with vLLM; a second call does nothing."""
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory

    # The registry rejects a name that it has, and offers no way to look one up.
    if BACKEND not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(BACKEND, "medix.rollout.serving.folder_receiver", "FolderReceiver")
