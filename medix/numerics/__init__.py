"""Pure tensor functions: masks, log-probabilities, divergences.

**What is equal, and to what.** The order in which a matrix product adds up its terms depends on the processor, the
library, the number of threads and the shapes of the operands, and floating-point sums depend on their order.

Bit-equal on a CPU: the same calls with the same shapes on one processor, with the same package versions and number of
threads. This covers

- a pass repeated, forward and backward;
- a run, and the same run killed and resumed on the same number of ranks;
- ``validate`` and ``predict`` of one checkpoint, repeated;
- the image features of a frozen vision tower, which every image passes alone, whichever pass needs them first;
- the tokens of a group from ``LocalEngine`` with ``rows_per_batch: 1``, whatever else is sampled, before or beside it.

Equal within rounding: everything that computes the same sums in other shapes or on other processors. Groups together
and alone, the shared and the plain pass, micro-batches of other sizes, other numbers of ranks, other engines, other
processors. A sum of n products rounds to a relative error of at most n·u, and of about √n·u where errors are
independent (u = 6e-8 in float32): log-probabilities differ by 1e-7 to 1e-5.

Random numbers are a function of seed and prompt index, and depend on nothing else. A sampled token is the first whose
cumulative probability exceeds its random number. Where logits differ by rounding, so does a boundary between two
tokens, and the token differs if its random number lies between the two values. The rest of the completion then differs
altogether. No rule for picking tokens can exclude this: a map from logits to tokens that takes more than one value has
boundaries, and rounding decides on them. Rounding logits to a grid beforehand does not even make it rarer: a logit
crosses a step of size h with a chance in proportion to 1/h, and then moves boundaries by a distance in proportion to h.
Equal tokens need equal logits, so equal shapes: a group decoded alone.
"""
