"""The arguments that name a model."""

import pytest

from medix.commands.named_model import add_named_model, check_named_model, named_model
from medix.commands.parser import CommandParser
from medix.evaluation.endpoint_model import EndpointModel
from tests.support.fault_server import nobody
from tests.support.judges import says, serving


def parsed(*words: str) -> object:
    parser = CommandParser(prog="python -m medix ask")
    add_named_model(parser)
    return parser.parse_args(["--model", "m", *words])


def test_an_endpoint_is_asked_with_what_is_given() -> None:
    with serving(says("left")) as server:
        found = named_model(parsed("--base-url", server.url, "--max-tokens", "7", "--temperature", "0.5"))  # type: ignore[arg-type]
    assert isinstance(found.model, EndpointModel)
    assert (found.decoding.max_tokens, found.decoding.temperature, found.decoding.samples) == (7, 0.5, 1)
    found.model.close()


def test_an_endpoint_that_is_not_there_is_told_before_anything_is_asked() -> None:
    with nobody("/v1") as url, pytest.raises(ConnectionError, match="--base-url: "):
        named_model(parsed("--base-url", url))  # type: ignore[arg-type]


def test_here_and_elsewhere_is_refused() -> None:
    check_named_model(parsed("--engine", "vllm"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--engine runs the model here"):
        check_named_model(parsed("--engine", "vllm", "--base-url", "http://a/v1"))  # type: ignore[arg-type]
