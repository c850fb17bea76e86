"""Units as powers of base units, compared with pint."""

import itertools

import pint
import pytest

from medix.judge.clinical.units import _EXACT, Unit, read_unit, unit_named

PINT = {
    "m": "meter", "g": "gram", "L": "liter", "s": "second", "min": "minute", "h": "hour", "d": "day", "week": "week",
    "year": "year", "month": "month", "mol": "mole", "M": "molar", "Bq": "becquerel", "Ci": "curie", "Gy": "gray",
    "Sv": "sievert", "rad": "rads", "rem": "rem", "Hz": "hertz", "Pa": "pascal", "mmHg": "mmHg", "cmH2O": "cmH2O",
    "V": "volt", "mA": "milliampere", "T": "tesla", "J": "joule", "cal": "calorie", "keV": "kiloelectron_volt",
    "kat": "katal", "Da": "dalton", "dB": "decibel", "percent": "percent", "degree": "degree", "celsius": "delta_degC",
    "fahrenheit": "delta_degF", "kelvin": "kelvin", "inch": "inch", "ft": "foot", "lb": "pound", "oz": "ounce",
    "micron": "micron", "cc": "cc", "mm": "millimeter", "cm": "centimeter", "km": "kilometer", "µm": "micrometer",
    "nm": "nanometer", "kg": "kilogram", "mg": "milligram", "µg": "microgram", "mcg": "microgram", "ng": "nanogram",
    "pg": "picogram", "dL": "deciliter", "mL": "milliliter", "ml": "milliliter", "µL": "microliter", "fL": "femtoliter",
    "ms": "millisecond", "mmol": "millimole", "µmol": "micromole", "nmol": "nanomole", "mM": "millimolar",
    "µM": "micromolar", "nM": "nanomolar", "kBq": "kilobecquerel", "MBq": "megabecquerel", "GBq": "gigabecquerel",
    "mCi": "millicurie", "µCi": "microcurie", "cGy": "centigray", "mGy": "milligray", "mSv": "millisievert",
    "µSv": "microsievert", "kHz": "kilohertz", "MHz": "megahertz", "kPa": "kilopascal", "mV": "millivolt",
    "W": "watt", "MV": "megavolt", "mW": "milliwatt", "MPa": "megapascal", "mPa": "millipascal",
    "kcal": "kilocalorie", "kJ": "kilojoule", "kDa": "kilodalton", "µkat": "microkatal", "hPa": "hectopascal",
}  # fmt: skip
NOT_IN_PINT = {"yo", "Eq", "Osm", "IU", "U", "permille", "HU", "dpt", "Fr", "G", "bpm", "beat", "breath", "cell",
               "copy", "hpf", "drop", "msec"}  # fmt: skip


def unit(text: str) -> Unit | None:
    found, end = read_unit(f"5{text}", 1)
    return found if end == len(text) + 1 else None


@pytest.fixture(scope="module")
def registry() -> pint.UnitRegistry:
    return pint.UnitRegistry()


# Of one dimension in pint, and kept apart here: a becquerel is no hertz, and a month no number of days
APART = ({"Bq", "Hz"}, {"Gy", "Sv"}, {"month", "s"}, {"%", "°", "dB"}, {"eV", "J"}, {"°C", "°F", "K"}, {"Da", "g"})


def test_every_unit_converts_into_every_other_as_in_pint(registry: pint.UnitRegistry) -> None:
    """1 mmHg is 133.322 Pa in both."""
    base = {name: registry.Quantity(1, other).to_base_units() for name, other in PINT.items()}
    for one, other in itertools.combinations(PINT, 2):
        mine, theirs = _EXACT[one], _EXACT[other]
        if mine.powers == theirs.powers:
            expected = base[one].magnitude / base[other].magnitude
            assert float(mine.factor / theirs.factor) == pytest.approx(expected, rel=1e-6), (one, other)
        elif base[one].units == base[other].units:
            names = {name for name, _ in mine.powers}, {name for name, _ in theirs.powers}
            assert any(names[0] & kinds and names[1] & kinds for kinds in APART), (one, other)


def test_every_symbol_of_the_table_is_compared_or_unknown_to_pint() -> None:
    from medix.judge.clinical.lexicon import data

    assert set(data("units.toml")["unit"]) - set(PINT) == NOT_IN_PINT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (" mm", "mm"), ("-mm", " mm"), (" mm", " millimetres"), (" mm", " MM"), (" cm", " cms"), (" mL", " cc"),
        (" cm3", " mL"), (" cm^3", " cc"), (" µg", " mcg"), (" ug", " micrograms"), (" mg/dL", " mg / dl"),
        (" mg/dL", " mg per deciliter"), (" g/L", " mg/mL"), (" /min", " per minute"), (" mmHg", " mm Hg"),
        (" mmHg", " mm[Hg]"), (" °C", " degrees Celsius"), (" °C", " Cel"), (" IU", " [IU]"), (" hrs", " hours"),
        (" msec", " ms"), (" mmol/L", " mM"), (" mol L^-1", " M"), (" %", " per cent"), (" HU", " Hounsfield units"),
        (" mL/min", " ml·min^-1"), (" D", " d"),
    ],
)  # fmt: skip
def test_spellings_of_a_unit_agree(one: str, other: str) -> None:
    assert unit(one) == unit(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [(" mM", " mm"), (" MBq", " GBq"), (" mg", " µg"), (" °C", " °F"), (" /min", " /h"), (" mg/dL", " mg/L"),
     (" cm2", " cm3"), (" Gy", " Sv"), (" U", " IU"), (" months", " weeks"), (" beats/min", " breaths/min")],
)  # fmt: skip
def test_other_units_do_not(one: str, other: str) -> None:
    assert None not in (unit(one), unit(other))
    assert unit(one) != unit(other)


@pytest.mark.parametrize("text", ["", " apples", " mmx", " Mm", " nodules", " -", "/", " per", " x 6 mm", " of 3"])
def test_what_is_no_unit_is_left_to_be_read_as_words(text: str) -> None:
    assert read_unit(f"5{text}", 1) == (None, 1)


def test_a_unit_that_could_be_two_is_none() -> None:
    """mM and mm are both "Mm" in lower case; in capitals alone, millimetres are meant."""
    assert unit_named("Mm") is None
    assert unit_named("MM") == unit_named("mm")


def test_a_chain_of_units_without_end_is_read_in_part() -> None:
    found, end = read_unit("5" + " mm^4" * 4000, 1)
    assert found is not None
    assert end < 100
