"""The largest micro-batches that a spec allows: what a pass processes, and what attention over shared prompts needs."""

from dataclasses import dataclass

from medix.doctor.rank import Rank


@dataclass(frozen=True)
class FullMicroBatch:
    """A micro-batch of prompts of full length, filled up with completions.

    Attributes:
        prompts: in it.
        prompt_tokens: of all its prompts.
        completion_tokens: of all its completions.
        at_once: tokens that pass a layer at the same time: all, or the larger of prompt and completions where the
            prompt has passed before.
        joined: tokens of the keys and values that are copied next to each completion: its prompt and itself.
        masked: entries of the masks between completions and what they attend to.
        lent: prompt tokens whose keys and values are kept in all layers for the chunks of a group that does not fit.
        twice: whether it is the backward pass of the prompt, after that of the last chunk: autograd keeps the gradients
            of the chunk until it adds those of the prompt.
    """

    prompts: int
    prompt_tokens: int
    completion_tokens: int
    at_once: int
    joined: int
    masked: int
    lent: int = 0
    twice: bool = False

    @property
    def tokens(self) -> int:
        """Of prompts and completions."""
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def all_of(cls, rank: Rank) -> list["FullMicroBatch"]:
        """Of one pass; and, if a group of full length does not fit, of a prompt and the last chunk of its completions.

        Ranks that reduce gradients in every pass make one of each chunk, with its prompt.
        """
        update, prompt, longest = rank.module.update, rank.prompt_tokens, rank.completion_tokens
        group, groups = rank.module.engine.sampling.completions_per_prompt, rank.groups_per_update
        fits = max(update.tokens_per_microbatch, prompt + longest)
        tokens = min(fits, groups * (prompt + group * longest))
        prompts = max(1, min(groups, tokens // prompt))
        rest = max(0, tokens - prompts * prompt)
        if not rank.policy.shares_prompts:
            return [cls(prompts, prompts * prompt, rest, tokens, 0, 0)]
        masked = rest * (prompt + min(longest, rest))
        found = [cls(prompts, prompts * prompt, rest, tokens, group * prompts * prompt + rest, masked)]
        if prompt + group * longest > fits and rank.plan.kind in ("single", "ddp"):
            rest = tokens - prompt
            # A chunk repeats the prompt's keys and values for all heads before it joins them to each completion.
            joined = (1 + max(1, rest // longest)) * prompt + rest
            masked = rest * (prompt + min(longest, rest))
            found.append(cls(1, prompt, rest, rest, joined, masked, lent=prompt))
            found.append(cls(1, prompt, 0, prompt, 0, 0, lent=prompt, twice=True))
        return found
