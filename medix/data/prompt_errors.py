"""Why the policy cannot take the prompt of a sample."""

REMEDY = "or set data.on_long: skip to leave such samples out and count them"


class UnusablePromptError(ValueError):
    """The policy cannot take the prompt of a sample; ``data.on_long`` decides whether such a sample is left out."""

    @property
    def fault(self) -> str:
        """The message without ``data.on_long``, which is a key of training."""
        return str(self).removesuffix(f", {REMEDY}")


class PromptTooLongError(UnusablePromptError):
    """A prompt has more tokens than the limit, image tokens included."""


class PictureShapeError(UnusablePromptError):
    """The policy's processor refuses a picture, such as one that is too long and narrow."""


class RefusedPromptError(UnusablePromptError):
    """The policy's chat template or processor refuses this prompt, but not others."""


class ProcessorError(ValueError):
    """The policy's chat template or processor refuses every prompt: a fault of the model and not of the data."""


class MarkerError(UnusablePromptError):
    """The image markers of a question disagree with its images."""
