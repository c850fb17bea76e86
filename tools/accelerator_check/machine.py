"""What the machine is."""

from collections.abc import Iterator

from tools.accelerator_check.part import AbsentError, Case, Numbers, Part


class Machine(Part):
    """The accelerator, by name and by a product of matrices on it."""

    def cases(self) -> Iterator[Case]:
        """One case."""
        yield "accelerator", self._accelerator

    def _accelerator(self) -> Numbers:
        import torch

        if self.device == "cpu":
            raise AbsentError("torch finds no accelerator: all parts run on the CPU, at tiny size")
        ones = torch.ones(256, 256, device=self.device, dtype=torch.bfloat16)
        if not bool(((ones @ ones) == 256).all()):
            raise RuntimeError("a product of matrices of ones is wrong")
        numbers: Numbers = {"device": self.device, "count": torch.accelerator.device_count()}
        if self.device == "cuda":
            facts = torch.cuda.get_device_properties(0)
            numbers |= {
                "name": facts.name,
                "gigabytes": round(facts.total_memory / 1e9, 1),
                "capability": f"{facts.major}.{facts.minor}",
            }
        return numbers
