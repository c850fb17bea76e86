"""How much processor time a piece of work takes, so that neither load nor the collector's passes count."""

import gc
import time
from collections.abc import Callable


def processor_seconds(work: Callable[[], object], attempts: int = 3) -> float:
    """The least processor time of the calling thread that ``work`` took in ``attempts`` calls, in seconds.

    Other processes, threads that earlier tests left behind and passes of the garbage collector over a large test
    process (half a second each) do not count. Work that is cached has to empty its cache itself.
    """
    spent = []
    for _ in range(attempts):
        gc.disable()
        try:
            start = time.thread_time()
            work()
            spent.append(time.thread_time() - start)
        finally:
            gc.enable()
    return min(spent)
