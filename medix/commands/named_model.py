"""The arguments of ``eval generate`` and ``ask`` that name a model and say how it is asked."""

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser

if TYPE_CHECKING:
    from medix.evaluation.model_arguments import Evaluated


def add_named_model(parser: CommandParser) -> argparse._ArgumentGroup:
    """Add the arguments; returns the group of the model, for more of them."""
    model = parser.add_argument_group("model")
    model.add_argument("--model", required=True, help="folder, name or checkpoint; or the name at the endpoint")
    model.add_argument("--engine", choices=["transformers", "vllm"], help="run the model here (default: transformers)")
    model.add_argument("--base-url", action="append", metavar="URL", help="OpenAI-compatible endpoint; may be repeated")
    model.add_argument(
        "--api-key-env",
        default="OPENAI_API_KEY",
        help="environment variable with the key of the endpoint (default: OPENAI_API_KEY)",
    )
    model.add_argument("--revision", default="", help="version of the model, such as a commit; is recorded")
    model.add_argument(
        "--prompt", choices=["medix", "plain"], help="prompt (default: that of the model's card, or plain without one)"
    )
    model.add_argument("--temperature", type=float, help="default: 0, or 0.6 for several samples")
    model.add_argument("--top-p", type=float, help="default: 1, or 0.95 for several samples")
    model.add_argument("--max-tokens", type=int, metavar="N", help="longest completion (default: the card's, or 2048)")
    model.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")
    model.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="S",
        help="seconds for one completion of an endpoint, further attempts included (default: 600); where a "
        "server does not answer at all, waiting ends after a minute",
    )
    return model


def named_model(arguments: argparse.Namespace) -> "Evaluated":
    """The model that the arguments name, loaded, or at an endpoint that answers.

    Raises:
        ValueError: there is no such model.
        ConnectionError: no server can be reached.
    """
    from medix.evaluation.model_arguments import ModelArguments

    names = [field.name for field in fields(ModelArguments)]
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    model = ModelArguments(**given)
    if model.base_url:
        from medix.evaluation.endpoint_model import open_endpoint

        return open_endpoint(model)
    from medix.export.evaluated import load_evaluated  # imports take many seconds

    return load_evaluated(model)


def check_named_model(arguments: argparse.Namespace) -> None:
    """Refuse a model that is to run here and elsewhere.

    Raises:
        ValueError: it is.
    """
    if arguments.base_url and arguments.engine:
        raise ValueError("--engine runs the model here, and --base-url elsewhere; give one of them")
