"""Shipped specs: they parse, say what the paper's scripts do, state no default, and fit a step at tiny sizes."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback

from medix.cli import MedixCLI
from medix.doctor.checks.gpus import GpusCheck
from medix.doctor.checks.memory import MemoryCheck
from medix.doctor.subject import Subject
from medix.judge.served import ServedJudge
from medix.losses.aggregate import SequenceMean, TokenMean
from medix.losses.dapo import DAPOLoss
from medix.losses.grpo import GRPOLoss
from medix.losses.gspo import GSPOTokenLoss
from medix.modules.adamw_8bit import AdamW8bit
from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.suite import RewardSuite
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import EvaluationSampling, Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.served import ServedEngine
from medix.rollout.signal import KeepScored, SpreadFilter
from medix.spec.spec_names import find_spec
from tests.support.doctoring import large_experts, large_policy, look, problems, states, with_gpus
from tests.support.inside import working_in
from tests.support.runs import MANIFESTS, REWARD, merged

SPECS = Path(str(find_spec("demo"))).parent
NAMES = sorted(path.stem for path in SPECS.glob("*.yaml"))
PARTS = sorted((SPECS / "parts").glob("*.yaml"))

# The public scripts: which policy, which algorithm in fact.
PAPER: dict[str, tuple[str, type]] = {
    "dapo_2b": ("Qwen/Qwen3-VL-2B-Instruct", DAPOLoss),
    "dapo_8b": ("Qwen/Qwen3-VL-8B-Instruct", DAPOLoss),
    "dapo_30b": ("Qwen/Qwen3-VL-30B-A3B-Thinking", DAPOLoss),
    "dapo_30b_one_node": ("Qwen/Qwen3-VL-30B-A3B-Thinking", DAPOLoss),
    "dapo_smolvlm2": ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", DAPOLoss),
    "grpo_8b": ("Qwen/Qwen3-VL-8B-Instruct", GRPOLoss),
    "gspo_7b": ("Qwen/Qwen2.5-VL-7B-Instruct", GSPOTokenLoss),
    "gspo_8b": ("Qwen/Qwen3-VL-8B-Instruct", GSPOTokenLoss),
}
# Clip low and high, mean over, weight of k3 in the loss, group filter, prompts a rollout.
ALGORITHM: dict[type, tuple[float, float, type, float | None, type, int]] = {
    DAPOLoss: (0.2, 0.28, TokenMean, None, SpreadFilter, 128),
    GRPOLoss: (0.2, 0.3, TokenMean, 0.01, KeepScored, 512),
    GSPOTokenLoss: (3e-4, 4e-4, SequenceMean, None, KeepScored, 512),
}
WEIGHTS = {"format": 0.10, "modality": 0.045, "judge": 0.5175, "embedding": 0.3375}

HERE = (
    "--trainer.accelerator",
    "cpu",
    "--trainer.devices",
    "1",
    "--trainer.num_nodes",
    "1",
    "--trainer.strategy",
    "auto",
)


@pytest.fixture(scope="module")
def built() -> dict[str, MedixCLI]:
    """Specs that were instantiated already."""
    return {}


def instantiated(built: dict[str, MedixCLI], name: str) -> MedixCLI:
    """A spec as the command line builds it, but for devices that are not here; no weight is read."""
    if name not in built:
        built[name] = MedixCLI(args=["--config", str(find_spec(name)), *HERE], run=False)
    return built[name]


def weights_of(name: str) -> dict[str, float]:
    """The weights of the rewards of a spec: of answers, or of reports."""
    return {"format": 0.10, "modality": 0.045, "rubric": 0.855} if name == "reports_phantoms" else WEIGHTS


# Parse and instantiate -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_it_instantiates_without_weights_or_network(built: dict[str, MedixCLI], name: str) -> None:
    cli = instantiated(built, name)
    assert isinstance(cli.model.policy, VisionLanguagePolicy)
    assert cli.model.policy.model is None
    assert cli.model.judge is not None
    assert dict(cli.model.rewards.weights) == weights_of(name)


def test_every_recipe_of_the_paper_is_here() -> None:
    assert set(PAPER) | {"demo", "medvqa_mini", "reports_phantoms"} == set(NAMES)


@pytest.mark.parametrize("name", sorted(PAPER))
def test_the_strategy_shards_weights_and_writes_one_file(name: str) -> None:
    """All but the largest leave four GPUs of a node to rollouts and judge; the largest has machines of its own."""
    parts = {"dapo_30b": ("trainer_nodes", 16), "dapo_30b_one_node": ("trainer_bf16", 4)}
    part, ranks = parts.get(name, ("trainer_paper", 4))
    trainer = yaml.safe_load((SPECS / "parts" / f"{part}.yaml").read_text())
    assert f"trainer: parts/{part}.yaml\n" in find_spec(name).read_text()
    assert (trainer["accelerator"], trainer["precision"]) == (
        "gpu",
        "bf16-true" if part == "trainer_bf16" else "bf16-mixed",
    )
    assert trainer["devices"] * trainer.get("num_nodes", 1) == ranks
    assert trainer["strategy"]["init_args"]["data_parallel_size"] == ranks
    assert trainer["strategy"]["class_path"].endswith("ModelParallelStrategy")
    assert trainer["strategy"]["init_args"]["save_distributed_checkpoint"] is False


# The paper's values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PAPER))
def test_policy_and_algorithm_are_those_of_the_public_script(built: dict[str, MedixCLI], name: str) -> None:
    model = instantiated(built, name).model
    policy, kind = PAPER[name]
    low, high, mean, weight, keeps, prompts = ALGORITHM[kind]
    dtype = "bfloat16" if name == "dapo_30b_one_node" else "float32"
    assert model.policy.fingerprint() == {"name": policy, "lora": None, "freeze_vision": False, "dtype": dtype}
    assert model.policy.gradient_checkpointing
    assert type(model.loss) is kind
    assert (model.loss.surrogate.clip_low, model.loss.surrogate.clip_high) == (low, high)
    assert model.loss.surrogate.dual_clip == 3.0
    assert type(model.loss.aggregate) is mean
    assert model.loss.importance is None
    if weight is None:
        assert model.loss.reference_kl is None
    else:
        assert model.loss.reference_kl.estimator == "k3"
        assert model.loss.reference_kl.coefficient.value == weight
    assert model.reward_kl is None
    assert type(model.filter) is keeps
    assert model.prompts_per_rollout == prompts
    assert type(model.advantage).__name__ == "GRPOAdvantage"


@pytest.mark.parametrize("name", sorted(PAPER))
def test_sizes_sampling_and_optimiser_are_those_common_to_the_public_scripts(
    built: dict[str, MedixCLI], name: str
) -> None:
    cli = instantiated(built, name)
    model = cli.model
    assert cli.config.seed_everything == 1
    assert (model.prompts_per_step, model.update.prompts_per_update) == (512, 128)
    for ranks in (4, 16):
        assert model.batching(ranks=ranks).updates_per_step == 4
    assert model.max_steps == 2 * (51_335 // 512) == 200
    assert model.max_rollouts_per_step == 20
    assert model.engine.sampling == Sampling(5, 4096, temperature=1.0, top_p=1.0, top_k=0)
    assert model.evaluation == EvaluationSampling(1, 4096, temperature=0.6, top_p=0.95, top_k=0)
    assert model.prompting.max_prompt_tokens == 4352
    assert (model.prompting.pictures.min_pixels, model.prompting.pictures.max_pixels) == (262_144, 4_194_304)
    assert model.update.max_grad_norm == 1.0
    assert model.update.tokens_per_microbatch == 4352 + 4096
    assert model.lr_scheduler is None
    optimizer = model.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert type(optimizer) is (AdamW8bit if name == "dapo_30b_one_node" else torch.optim.AdamW)
    group = optimizer.param_groups[0]
    assert (pytest.approx(float(group["lr"])), group["betas"], group["weight_decay"]) == (1e-6, (0.9, 0.999), 0.01)
    assert isinstance(model.judge, ServedJudge)
    assert model.judge.model == "Qwen/Qwen3-4B-Instruct-2507"
    assert model.rewards.components["embedding"].threshold == 0.8


@pytest.mark.parametrize("name", sorted(PAPER))
def test_validation_and_checkpoints_come_every_five_steps_and_three_are_kept(
    built: dict[str, MedixCLI], name: str
) -> None:
    cli = instantiated(built, name)
    found: dict[str, Callback] = {type(callback).__name__: callback for callback in cli.trainer.callbacks}
    validation: Any = found["JudgeValidation"]
    checkpoint: Any = found["SaveCheckpoint"]
    assert validation.every_n_steps == 5
    assert validation.at_start
    assert (checkpoint.every_n_steps, checkpoint.keep, checkpoint.monitor) == (5, 3, "val/reward")
    assert {"WriteReport", "RecordCompletions", "LogRewards", "WatchSignal", "ShowProgress"} <= set(found)
    assert cli.datamodule.paths["val"] != cli.datamodule.paths["train"]
    assert not cli.datamodule.paths["test"]


@pytest.mark.parametrize("name", sorted(PAPER))
def test_a_recipe_states_its_deviations(name: str) -> None:
    head = find_spec(name).read_text().split("trainer:")[0]
    assert "# Deviates from the public script:\n#   - " in head
    for deviation in ("unscored, not 0", "never truncated", "validation split", "not offloaded"):
        assert deviation in head
    if PAPER[name][1] is DAPOLoss:
        assert "groups without spread are dropped" in head


def test_the_recipe_of_30b_says_how_to_take_the_other_base() -> None:
    assert "name Qwen/Qwen3-VL-30B-A3B-Instruct" in find_spec("dapo_30b").read_text()


@pytest.mark.parametrize(
    ("part", "kind"),
    [("engine_served", ServedEngine), ("engine_colocated", ColocatedEngine), ("engine_local", LocalEngine)],
)
def test_another_engine_is_one_line_and_samples_the_same(part: str, kind: type) -> None:
    words = ["--config", str(find_spec("dapo_8b")), *HERE, "--model.engine", str(SPECS / "parts" / f"{part}.yaml")]
    engine = MedixCLI(args=words, run=False).model.engine
    assert type(engine) is kind
    assert engine.sampling == Sampling(5, 4096, temperature=1.0, top_p=1.0, top_k=0)


@pytest.mark.parametrize("name", sorted(PAPER))
def test_rollouts_and_judge_have_gpus_that_training_does_not_claim(name: str) -> None:
    """On the node of eight that the recipes are written for; the largest has rollouts and judge elsewhere."""
    subject = Subject.read(["--config", str(find_spec(name))], with_gpus(8, planned=True))
    assert states(look(GpusCheck(), subject)) == ["ok"]


@pytest.mark.parametrize("name", ["dapo_8b", "grpo_8b", "gspo_8b"])
def test_8b_fits_on_four_gpus_of_80_gb(tmp_path: Path, name: str) -> None:
    words = ["--config", str(find_spec(name)), "--model.policy.init_args.name", str(large_policy(tmp_path))]
    found = look(MemoryCheck(), Subject.read(words, with_gpus(8, planned=True)))
    assert not problems(found), found[0].arithmetic


def test_30b_fits_on_four_gpus_of_80_gb_with_six_bytes_a_parameter(tmp_path: Path) -> None:
    """31,070,754,032 parameters x 6.03 bytes / 4 are 43.6 GiB; with float32 weights and state as in dapo_30b, 115.7."""
    policy = ("--model.policy.init_args.name", str(large_experts(tmp_path)))
    subject = Subject.read(["--config", str(find_spec("dapo_30b_one_node")), *policy], with_gpus(8, planned=True))
    found = look(MemoryCheck(), subject)
    assert not problems(found), found[0].arithmetic
    for line, size in (("weights", "2 bytes / 4 ranks = 14.5 GiB"), ("gradients", "2 bytes / 4 ranks = 14.5 GiB"),
                       ("optimizer state", "2.03 bytes / 4 ranks = 14.7 GiB")):  # fmt: skip
        assert any(one.startswith(f"{line}, always: 31,070,754,032 ") and f"x {size}" in one
                   for one in found[0].arithmetic), found[0].arithmetic  # fmt: skip
    assert found[0].found.startswith("peak 58.5 GiB during backward pass of the text layers")


# Parts ---------------------------------------------------------------------------------------------------------------


def inlined(path: Path) -> Any:
    """A spec with its parts in place."""

    def walk(node: Any, folder: Path) -> Any:
        if isinstance(node, dict):
            return {key: walk(value, folder) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value, folder) for value in node]
        if isinstance(node, str) and node.endswith(".yaml") and (folder / node).is_file():
            return inlined(folder / node)
        return node

    return walk(yaml.safe_load(path.read_text()), path.parent)


def test_every_part_is_used() -> None:
    used = {
        (path.parent / word.strip()).resolve()
        for path in (*SPECS.glob("*.yaml"), *PARTS)
        for line in path.read_text().splitlines()
        if (word := line.partition("#")[0].rpartition(": ")[2]).strip().endswith(".yaml")
    }
    grids = " ".join(path.read_text() for path in SPECS.glob("ablations/*.yaml"))
    used |= {path.resolve() for path in PARTS if f": {path.stem}" in grids}
    # for `RewardSuite.from_spec` and for `--model.rewards`
    engines = ("engine_colocated", "engine_local")
    judges = ("judge_cached", "judge_local", "judge_panel")
    by_name = (*engines, *judges, "rewards_published", "rewards_strict", "rewards_reports")
    chosen_by_users = {(SPECS / "parts" / f"{name}.yaml").resolve() for name in by_name}
    assert used | chosen_by_users == {path.resolve() for path in PARTS}


@pytest.mark.parametrize("name", ["rewards_medical", "rewards_published", "rewards_offline"])
def test_parts_with_the_papers_rewards_are_suites_in_a_script(name: str) -> None:
    assert dict(RewardSuite.from_spec(name).weights) == WEIGHTS


# No key restates its default -----------------------------------------------------------------------------------------

Path_ = tuple[str | int, ...]

EXCEPTIONS: set[Path_] = {
    # the size of a group is what an experiment is about, also where it is the default
    ("model", "engine", "init_args", "sampling", "completions_per_prompt"),
    # the judge decides what the numbers mean; a reader of the spec should not have to know the default
    ("judge",),
}


def leaves(node: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Places of a spec that could be left out one at a time: values, and classes without arguments."""
    if isinstance(node, dict) and set(node) != {"class_path"}:
        for key, value in node.items():
            if key != "class_path":
                yield from leaves(value, (*at, key))
    elif isinstance(node, list) and any(isinstance(entry, dict) for entry in node):
        for place, entry in enumerate(node):
            if isinstance(entry, dict) and "init_args" in entry:
                yield from leaves(entry["init_args"], (*at, place, "init_args"))
    else:
        yield at


def without(spec: Any, at: Sequence[str | int]) -> Any:
    made = deepcopy(spec)
    node = made
    for key in at[:-1]:
        node = node[key]
    del node[at[-1]]
    return made


@pytest.fixture(scope="module")
def checked() -> set[str]:
    """Leaves of parts that were looked at in an earlier spec."""
    return set()


@pytest.mark.parametrize("name", NAMES)
def test_no_key_restates_its_default(built: dict[str, MedixCLI], checked: set[str], name: str) -> None:
    parser = instantiated(built, name).parser
    spec = inlined(find_spec(name))
    whole = parser.parse_object(deepcopy(spec), defaults=True)
    restated = []
    for at in leaves(spec):
        node = spec
        for key in at:
            node = node[key]
        seen = json.dumps([at, node])
        if seen in checked or at in EXCEPTIONS:
            continue
        checked.add(seen)
        try:
            left = parser.parse_object(without(spec, at), defaults=True)
        except SystemExit:  # it has to be given
            continue
        if left == whole:
            restated.append(".".join(map(str, at)))
    assert not restated, "delete these keys, or say why not in EXCEPTIONS"


# One step of each ----------------------------------------------------------------------------------------------------

ENCODER = """
from typing import Any

class NoEncoder:
    def encode(self, texts: list[str], /) -> Any:
        return [[1.0, 0.0] for _ in texts]
"""
ARCHITECTURES = {
    "gspo_7b": "qwen2_5_vl",
    "dapo_smolvlm2": "smolvlm",
    "dapo_30b": "qwen3_vl_moe",
    "dapo_30b_one_node": "qwen3_vl_moe",
}
TINY: dict[str, Any] = {
    "judge": {"class_path": "medix.judge.ExactJudge"},
    "model": {
        "engine": {"init_args": {"sampling": {"max_completion_tokens": 6}}},
        # an untrained policy earns nothing that differs; what it would earn is still computed
        "rewards": {
            "components": {
                **{name: {"weight": 0.0} for name in WEIGHTS},
                "half": {"reward": {"class_path": "my_stubs.FirstHalf"}, "weight": 1.0},
            },
            "encoder": {"class_path": "my_stubs.NoEncoder"},
        },
        "update": {"prompts_per_update": 1},
        "prompting": {"min_pixels": None},
        "evaluation": {"max_completion_tokens": 6},
        "prompts_per_step": 4,
        "prompts_per_rollout": 4,
        "max_steps": 1,
    },
    "data": {
        "train": [str(MANIFESTS / "tiny_train-*.yaml")],
        "val": [str(MANIFESTS / "tiny_val-*.yaml")],
        "limit_val": 4,
    },
}


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("policies")
    return {kind: build_tiny(kind, folder / kind) for kind in ("qwen3_vl", *set(ARCHITECTURES.values()))}


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_one_step_at_tiny_sizes(tmp_path: Path, policies: dict[str, Path], name: str) -> None:
    """Everything but policy, sizes and data is the spec's own: its loss, callbacks, prompt and number format."""
    (tmp_path / "my_stubs.py").write_text(REWARD + ENCODER)
    policy = str(policies[ARCHITECTURES.get(name, "qwen3_vl")])
    tiny = merged(TINY, {"model": {"policy": {"init_args": {"name": policy}}}})
    if name in PAPER:  # their servers are not here
        sampling = {"completions_per_prompt": 5, "max_completion_tokens": 6}
        tiny["model"]["engine"] = {"class_path": "medix.rollout.LocalEngine", "init_args": {"sampling": sampling}}
    parts = tiny["model"]["rewards"]["components"]
    for extra in (parts.keys() & WEIGHTS.keys()) - weights_of(name).keys():
        del parts[extra]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    with working_in(tmp_path) as inside:
        words = ("--config", name, "--config", "tiny.yaml", *HERE, "--trainer.default_root_dir", "run")
        outcome = inside("fit", *words)
    assert outcome.code == 0, outcome
    saved = torch.load(tmp_path / "run" / "checkpoints" / "step-000001.ckpt", weights_only=True)
    assert saved["medix"]["step"] == 1
    assert saved["medix"]["updates"] == 4
    dtype = torch.bfloat16 if name == "dapo_30b_one_node" else torch.float32
    assert {weight.dtype for weight in saved["state_dict"].values()} == {dtype}
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["finished"]
    assert report["after"]["step"] == 1
    lines = (tmp_path / "run" / "completions" / "train.rank0.jsonl").read_text().splitlines()
    groups = {(json.loads(line)["id"]) for line in lines}
    assert len(groups) >= 4
