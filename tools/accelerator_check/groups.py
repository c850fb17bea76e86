"""Groups of random completions, for passes that need no sampling."""

import torch

from medix.data.prompting import Prompting
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import Completion, FinishReason, RolloutGroup
from tools.bench_step.workload import Shape, samples


def groups(policy: VisionLanguagePolicy, shape: Shape) -> list[RolloutGroup]:
    """Prompts with a noise image each, and completions of random tokens, of different lengths.

    Args:
        policy: its processor renders the prompts.
        shape: of the groups; completion ``n`` of a group is ``n`` tokens shorter than the first, but never empty.
    """
    generator = torch.Generator().manual_seed(0)
    allowed = sorted(set(range(len(policy.processor.tokenizer))) - set(policy.banned_token_ids))
    prompting = Prompting(template="short")

    def completion(length: int) -> Completion:
        tokens = tuple(allowed[place] for place in torch.randint(len(allowed), (length,), generator=generator).tolist())
        return Completion("", tokens, (0.0,) * length, FinishReason.LENGTH)

    lengths = [max(1, shape.completion_tokens - number) for number in range(shape.group_size)]
    return [
        RolloutGroup(prompting.render(sample, policy.processor, index), tuple(map(completion, lengths)), 0)
        for index, sample in enumerate(samples(shape))
    ]
