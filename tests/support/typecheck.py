"""The type checker that tests put around every function of medix: beartype, to which a whole number is a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
