"""``fit``, ``validate``, ``test`` and ``predict``.

A value comes from the command line, else from the last spec file that sets it, else from the constructor's default.
"""

import logging
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

import transformers
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger

from medix import stop_signal
from medix.batch_limits import LimitedTrainer
from medix.callbacks.agree_on_checkpoint import AgreeOnCheckpoint
from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.run_facts import data_sizes, sampling_text
from medix.callbacks.save_checkpoint import latest
from medix.callbacks.save_spec import SaveSpec, consequences, spec_in, step_of
from medix.callbacks.show_evaluation import ShowEvaluation
from medix.callbacks.spec_changes import suite_identity
from medix.callbacks.unfinished_predictions import completion_facts
from medix.callbacks.watched import reward_encoders
from medix.callbacks.write_predictions import WritePredictions
from medix.callbacks.write_report import WriteReport
from medix.data.datamodule import ShardDataModule
from medix.data.manifest import joint_digest
from medix.distributed import gather, stop_together
from medix.exit_status import ExitStatus
from medix.files import folder_lock
from medix.files.atomic_file import check_writable
from medix.files.standard_output import give_back, is_standard_output, keep_for_lines, names_it
from medix.first_failure import told_by_all
from medix.judge.base import Judge
from medix.launcher import Launcher
from medix.modules import checkpoint as state
from medix.modules import strategy, time_limits
from medix.modules.group_rl import GroupRLModule
from medix.modules.lightning_signals import ignore_signals
from medix.modules.precision import check_precision
from medix.modules.stop_iterations import refuse_stop_iterations
from medix.plain_console import PlainConsole
from medix.plan import chosen_checkpoint, print_plan, read_checkpoint
from medix.reporting.table import summary_table
from medix.rewards.judged import JudgedReward
from medix.run_end import note_end
from medix.run_start import CKPT_PATH, RunStart
from medix.seeds import seed_note
from medix.slurm_job import requeued
from medix.spec.spec_check import check, inline
from medix.spec.spec_fault import shortened
from medix.spec.spec_names import resolve_specs
from medix.spec.spec_reading import settings
from medix.spec.trainer_keys import NOT_OURS, check_trainer_keys
from medix.spec_parser import ROOTS, SpecParser
from medix.stop_signal import StopRequested
from medix.told_once import told_once
from medix.visible_text import tell
from medix.yaml_text import read_yaml


class MedixCLI(LightningCLI):
    """The command line of training and evaluation."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            model_class=GroupRLModule,
            trainer_class=LimitedTrainer,
            datamodule_class=ShardDataModule,
            save_config_callback=SaveSpec,
            seed_everything_default=1,
            auto_configure_optimizers=False,
            parser_class=SpecParser,
            parser_kwargs={"prog": "python -m medix"},
            trainer_defaults={
                "max_epochs": -1,  # model.max_steps ends a run
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 1,
                "use_distributed_sampler": False,  # the data know their rank
                "enable_progress_bar": False,  # ShowProgress counts steps
                "enable_model_summary": False,
            },
            **kwargs,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The command that is given, whose parser is the only one that is needed; all of them if none is."""
        every = LightningCLI.subcommands()
        return {name: skipped for name, skipped in every.items() if sys.argv[1:2] == [name]} or every

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the judge, which rewards and validation share, and the output file of ``predict``."""
        parser.add_subclass_arguments(
            Judge,
            "judge",
            default={"class_path": "medix.judge.ExactJudge"},
            help="who grades, in training and validation",
        )
        parser.link_arguments("judge", "model.judge", apply_on="instantiate")
        parser.add_argument("--output", type=str | None, default=None, help="predict: the JSON lines file to write")

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        """Say of ``--ckpt_path`` what it means here; the text of Lightning names words that are not taken."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        parser._option_string_actions["--ckpt_path"].help = CKPT_PATH
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the command line after a check of what the parser would take without a word.

        Raises:
            ValueError: a spec file or the command line says something twice or nothing; see ``medix.spec.spec_check``.
        """
        if args is None or isinstance(args, list):
            check(settings(sys.argv[1:] if args is None else args), ROOTS)
        super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Do not load the checkpoint to look for hyperparameters: ours hold none, and it is checked later."""

    def _dump_config(self) -> None:
        """Do not write out the whole spec for hyperparameters of the module: it keeps none."""
        self.config_dump: dict[str, Any] = {}

    def before_instantiate_classes(self) -> None:
        """Refuse trainer keys that assume one optimiser call per step, before anything is written.

        Raises:
            ValueError: names the key and the one to set instead.
        """
        trainer = self._get(self.config, "trainer", default={})
        check_trainer_keys({key: trainer.get(key) for key in NOT_OURS})

    def instantiate_classes(self) -> None:
        """Build everything; a constructor's message about its arguments is kept.

        Raises:
            ValueError: an argument that a constructor refuses, or two callbacks of a kind that may be there once.
        """
        try:
            super().instantiate_classes()
        except ValueError as error:
            message = shortened(str(error))  # for an optional part, the parser lists every type it tried
            if message == str(error):
                raise
            raise ValueError(message) from error
        except MisconfigurationException as error:
            raise ValueError(f"trainer: {error} Correct accelerator, devices or strategy of the trainer") from error
        except RuntimeError as error:
            twice = re.search(r"more than one stateful callback of type `(\w+)`", str(error))
            if twice is None:
                raise
            raise ValueError(
                f"trainer.callbacks: {twice[1]} is there twice, and a checkpoint holds the state of one; keep one of "
                "them. --trainer.callbacks+ adds to those of the spec, which --print_config lists"
            ) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer; without loggers in the spec, it logs to CSV in the run's folder.

        Raises:
            ValueError: a precision that is not supported; Lightning would replace some of them silently.
        """
        given = self._get(self.config_init, "trainer", default={})
        check_precision(given.get("precision"), given.get("plugins"))
        if isinstance(given.get("strategy"), str):
            kwargs["strategy"] = strategy.by_name(given["strategy"])
        if given.get("logger") in (None, True):
            root = given.get("default_root_dir") or os.getcwd()
            kwargs["logger"] = CSVLogger(root, name="logs")
        stated = [inner for one in settings(sys.argv[1:]) for inner in (one, *inline(one))]
        self.launcher = Launcher.of(os.environ)
        if self.launcher is not None:
            kwargs |= self.launcher.resolve(given, ("trainer", "num_nodes") in {one.place[:2] for one in stated})
            self.launcher.check_shards(given.get("strategy"))
        trainer: Trainer = super().instantiate_trainer(**kwargs)
        ignore_signals(trainer)
        refuse_stop_iterations(trainer)
        keys = {one.file: [other.key for other in stated if other.file == one.file] for one in stated}
        if trainer.is_global_zero and (note := seed_note(self.subcommand or "fit", keys)):
            tell(f"medix: {note}")
        return trainer

    def fit(self, model: GroupRLModule, ckpt_path: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Train; resume from the newest checkpoint of the run's folder if there is one."""
        folder = Path(self.trainer.default_root_dir)
        with folder_lock.held(folder) if self.trainer.is_global_zero else nullcontext():
            self._fit(model, ckpt_path, folder)

    def _fit(self, model: GroupRLModule, ckpt_path: str | None, folder: Path) -> None:
        start = RunStart(ckpt_path, folder)
        if found := start.saved:
            if said := start.complete(found, model.max_steps, self._where_reported()):
                self._say(said)
                return
            self._say(start.going_on(found, model.max_steps))
            ckpt_path = str(found)
        else:
            ckpt_path = start.begin(self.trainer.callbacks)  # type: ignore[attr-defined]
        self._identify_suite(model, "fit")
        limit = self._derive_time_limits(model, "train", "val")
        if self.trainer.is_global_zero:
            self._compare_specs(read_checkpoint(ckpt_path, folder), ckpt_path, model)
        self.trainer.callbacks.append(AgreeOnCheckpoint(ckpt_path))  # type: ignore[attr-defined]
        print_plan(self.trainer, model, self.datamodule, limit, self.launcher)
        is_first = self.trainer.is_global_zero
        with _tidy(folder), told_once(), stop_signal.catching("medix fit", speaks=is_first), requeued(is_first):
            try:
                with told_by_all(self.trainer.world_size):
                    self.trainer.fit(model, datamodule=self.datamodule, ckpt_path=ckpt_path, weights_only=True)
                    # also by a signal behind the last step, during its checkpoint or report
                    is_stopped = stop_together(self.trainer.strategy.root_device)
            except StopRequested:
                is_stopped = True  # before the first step
            except Exception:
                if model.last_step is not None and (found := start.saved):
                    self._say(f"step {step_of(found)} is saved in {found}, from which the same command goes on")
                raise
            if is_stopped:
                self._end_stopped(stop_signal.requested() or signal.SIGTERM, model, start)
            found = latest(folder / "checkpoints")
            if is_first and found and step_of(found) == model.step >= model.max_steps:
                note_end(found)

    def validate(self, model: GroupRLModule, ckpt_path: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Evaluate on the validation split: the newest checkpoint of the run's folder unless --ckpt_path names one."""
        self._evaluate("validate", model, ckpt_path)

    def test(self, model: GroupRLModule, ckpt_path: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Evaluate on the test split: the newest checkpoint of the run's folder unless --ckpt_path names one."""
        self._evaluate("test", model, ckpt_path)

    def predict(self, model: GroupRLModule, ckpt_path: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Write completions of the predict split, or else of the validation split, as JSON lines."""
        name = "predictions-exchanged.jsonl" if self.datamodule.exchange_images else "predictions.jsonl"
        output = Path(self._get(self.config, "output") or Path(self.trainer.default_root_dir) / name)
        if is_standard_output(output):
            keep_for_lines()
        if self.trainer.is_global_zero:
            check_writable(output)
        facts = None
        if self._saved_spec is not None:
            checkpoint = chosen_checkpoint(ckpt_path, Path(self.trainer.default_root_dir))
            samples = joint_digest(self.datamodule.manifests("predict"))
            facts = completion_facts(read_yaml(self._saved_spec.text()), checkpoint, samples)
        self.trainer.callbacks.append(WritePredictions(output, facts))  # type: ignore[attr-defined]
        self._evaluate("predict", model, ckpt_path)
        self._say(f"wrote {output}")

    def _say(self, text: str) -> None:
        """Print a line, on one of the ranks."""
        if self.trainer.is_global_zero:
            tell(f"medix: {text}")

    def _where_reported(self) -> str:
        """A sentence that names the page of the run, if it has one."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        pages = [one.page(self.trainer) for one in callbacks if isinstance(one, WriteReport)]
        return "".join(f"Its report is {page}. " for page in pages if page.is_file())

    def _end_stopped(self, number: int, model: GroupRLModule, start: RunStart) -> NoReturn:
        """Say where a signal stopped the run, and from where the same command goes on."""
        if stop_signal.is_agreed():
            gather(None)  # a launcher ends all ranks soon after the first that ends with a status other than 0
        text = f"{stop_signal.stopped_by(number)} at step {model.step}; the same command "
        if self.trainer.is_global_zero:
            found = start.saved
            saved = 0 if found is None else step_of(found)
            if found is None:
                text += "begins again" if model.step == 0 else "begins again, for no checkpoint was written"
            else:
                text += "goes on" if saved == model.step else f"goes on from step {saved}"
        raise stop_signal.Stopped(number, text if self.trainer.is_global_zero else "")

    @property
    def _saved_spec(self) -> SaveSpec | None:
        """The callback that has the resolved spec."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        return next((one for one in callbacks if isinstance(one, SaveSpec)), None)

    def _identify_suite(self, model: GroupRLModule, stage: str) -> None:
        """Tell the module with what its validations measure."""
        if self._saved_spec is not None:
            judges = [judge.identity for judge in self._judges(model, JudgeValidation)]
            samples = None
            if stage in ("fit", "validate") and self.datamodule.paths["val"]:
                samples = joint_digest(self.datamodule.manifests("val"))
            template = model.prompting.template_identity
            model.suite = suite_identity(
                read_yaml(self._saved_spec.text()), judges, samples, template, reward_encoders(model)
            )

    def _judges(self, model: GroupRLModule, kind: type[Callback]) -> list[Judge]:
        """Of the rewards, of validation, and of callbacks of a kind."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        askers = [model, *model.rewards.components.values(), *(one for one in callbacks if isinstance(one, kind))]
        judges = [getattr(asker, "judge", None) for asker in askers]
        return [judge for judge in judges if isinstance(judge, Judge)]

    def _derive_time_limits(self, model: GroupRLModule, *splits: str) -> float | None:
        """Seconds that a rank waits for another; refuse limits that cannot be kept together."""
        components = [one for one in model.rewards.components.values() if isinstance(one, JudgedReward)]
        askers: list[time_limits.Asker] = [*self._judges(model, Callback), *components]
        time_limits.check_patience(askers)
        downloads = time_limits.downloads(len(self.datamodule.servers(*splits)), self.datamodule.cache.seconds)
        ranks = self.trainer.world_size
        prompts = -(-max(model.prompts_per_rollout, self.datamodule.val_batch_size) // ranks)
        questions = prompts * model.engine.sampling.completions_per_prompt
        if model.rewards.ask == "node":
            questions *= -(-ranks // self.trainer.num_nodes)
        load = time_limits.Load(prompts, questions)
        return time_limits.derive(self.trainer.strategy, model.engine, askers, downloads, load)

    def _compare_specs(self, checkpoint: Mapping[str, Any], path: str | None, model: GroupRLModule) -> None:
        """Say which keys this run changes, and refuse those that it cannot."""
        if path is None or self._saved_spec is None:
            return
        lines = [one.line() for one in self._saved_spec.changed_since(checkpoint, Path(path))]
        key = "model.prompting.template:"
        if state.template_differs(checkpoint, model.suite) and not any(line.startswith(key) for line in lines):
            lines.append(f"{key} the text of {model.prompting.template} (used)")
        if lines:
            tell(f"medix: changed since {Path(path).name}:")
        for line in lines:
            tell(f"  {line}")
        if said := consequences(checkpoint, model.suite):
            tell(f"medix: {said}")

    def _tell_otherwise(self, checkpoint: Mapping[str, Any], path: str | None) -> None:
        """Say what an evaluation measures with that the training of its checkpoint did not: often another spec."""
        lines = [] if path is None or self._saved_spec is None else self._saved_spec.otherwise(checkpoint)
        if path is None or not lines:
            return
        tell("\n  ".join([f"medix: {Path(path).name} was trained with another spec than this one:", *lines]))
        text = spec_in(checkpoint)
        for file in sorted(Path(path).parent.parent.glob("spec*.yaml")):
            if file.read_text(encoding="utf-8") == text:
                tell(f"medix: --config {file} is that spec")

    def _evaluate(self, stage: Literal["validate", "test", "predict"], model: GroupRLModule, given: str | None) -> None:
        folder = Path(self.trainer.default_root_dir)
        path = chosen_checkpoint(given, folder)
        if self.trainer.is_global_zero:
            self._tell_otherwise(read_checkpoint(path, folder), path)
        split = {"validate": "val"}.get(stage, stage)
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]
        if stage != "predict":
            _check_judged(stage, callbacks)
        callbacks += [AgreeOnCheckpoint(path), ShowEvaluation(len(self.datamodule.stream(split)))]
        self._identify_suite(model, stage)
        self._derive_time_limits(model, split)
        if self.trainer.is_global_zero:
            tell(f"medix: {stage} with {path or 'the policy as named, no checkpoint'}")
            tell(f"medix: {data_sizes(self.datamodule, (split,))[split]}; {sampling_text(model.evaluation)}")
        run = getattr(self.trainer, stage)
        quiet = {"return_predictions": False} if stage == "predict" else {"verbose": False}
        is_first = self.trainer.is_global_zero
        with _tidy(folder), told_once(), stop_signal.catching(f"medix {stage}", speaks=is_first), requeued(is_first):
            try:
                with told_by_all(self.trainer.world_size):
                    run(model, datamodule=self.datamodule, ckpt_path=path, weights_only=True, **quiet)
                    gather(None)  # the store in which the ranks look for errors ends with one of them
            except StopRequested as error:
                number = stop_signal.requested() or signal.SIGTERM
                text = stop_signal.stopped_by(number)
                if stage != "predict":  # which says what it keeps
                    text += "; what was judged is not kept, and the same command begins again"
                raise stop_signal.Stopped(number, text if self.trainer.is_global_zero else "") from error
        if stage != "predict" and self.trainer.is_global_zero:
            _print_numbers(callbacks)


def _check_judged(stage: str, callbacks: Sequence[Any]) -> None:
    """Refuse an evaluation whose completions nothing would look at.

    Raises:
        ValueError: no callback listens to the batches of the stage.
    """
    hook = {"validate": "on_validation_batch_end", "test": "on_test_batch_end"}[stage]
    if all(getattr(type(one), hook, None) is getattr(Callback, hook) for one in callbacks):
        raise ValueError(
            f"trainer.callbacks: no callback looks at the completions of {stage}, so that it would give no numbers; "
            "add class_path: medix.callbacks.JudgeValidation, and medix.callbacks.WriteReport for files"
        )


SpecParser.descriptions = {name: getattr(MedixCLI, name).__doc__ for name in LightningCLI.subcommands()}


def _print_numbers(callbacks: Sequence[Any]) -> None:
    """Print the table of a validation that no ``WriteReport`` has printed."""
    if any(isinstance(one, WriteReport) and one.table for one in callbacks):
        return
    for one in callbacks:
        if isinstance(one, JudgeValidation) and one.validation is not None:
            summary_table(one.validation.to_dict()).print(PlainConsole())


class ModuleCLI(MedixCLI):
    """Builds the module of a spec without a trainer, so that the devices of the spec need not exist."""

    def __init__(self, spec: Path) -> None:
        words = ["--config", str(spec)]
        SpecParser.reads(words)
        super().__init__(args=words, run=False)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Accept the keys of a command, which a printed spec contains."""
        super().add_arguments_to_parser(parser)
        parser.add_argument("--ckpt_path", type=str | None, default=None)
        parser.add_argument("--weights_only", type=bool | None, default=None)

    def instantiate_trainer(self, **kwargs: Any) -> Any:  # noqa: ARG002
        """Build none."""
        return None


def build_module(spec: Path) -> GroupRLModule:
    """The module of a spec file; nothing is run and no weights are read."""
    with warnings.catch_warnings():
        # that the command line has words too: they are those of another command, such as export
        warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
        module: GroupRLModule = ModuleCLI(spec).model
    return module


def main(words: Sequence[str]) -> int:
    """Run one trainer command; errors are left to ``medix.exit_status``."""
    quiet()
    # LightningCLI wants the command line itself: its ``args`` are for calls from Python, and it warns otherwise.
    sys.argv[1:] = resolve_specs(words)
    SpecParser.reads(sys.argv[1:])
    if words[:1] == ["predict"] and names_it(words, "--output"):
        keep_for_lines()
    try:
        MedixCLI()
    finally:
        give_back()
    return ExitStatus.DONE


@contextmanager
def _tidy(folder: Path) -> Iterator[None]:
    """Remove empty log folders: those of a run that ended before it logged anything."""
    try:
        yield
    finally:
        for path in (*sorted((folder / "logs").glob("version_*")), folder / "logs", folder):
            with suppress(OSError):  # it is not empty, or does not exist
                path.rmdir()


def quiet() -> None:
    """Silence messages and warnings of libraries that say nothing about the run."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # which of the processes that Lightning started has ended, before it ends the others
    logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script").setLevel(logging.INFO)
    for about in (
        "does not have many workers",
        "LightningCLI's args parameter",  # of a spec that is built for another command
        "`srun` command is available",
        "litlogger",
        "Checkpoint directory",
        "treespec",
        "weights_only",
        "all_gather_into_tensor",  # of DeepSpeed
        "reduce_scatter_tensor",
    ):
        warnings.filterwarnings("ignore", message=f".*{about}.*")
