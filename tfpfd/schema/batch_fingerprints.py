"""What looked-up rows say of the schema that looked them up, so that no other one reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping

from tfpfd.schema.feature import Feature, Known

# No feature can have this name: those begin with a letter.
SCHEMA = "__schema__"
"""How the key begins under which a batch says by which schema its rows were looked up.

The key itself says it, so that it costs a step nothing: behind this stand the inputs and the
fingerprints of their features, as `name=fingerprint`. The value, int8 `[batch]`, is 0; a tensor
without values would take a byte a row less, but TensorFlow dies of it in `unbatch`.
"""
_DIGITS = 8


def fingerprints(features: Iterable[Feature], known: Known) -> dict[str, str]:
    """What decides which input a value becomes, in 8 hexadecimal digits by feature.

    Args:
      features: adapted features.
      known: features by name, those that they borrow vocabularies from among them.
    """
    return {
        feature.name: (
            digest(_settings(feature))
            if feature.has_vocabulary
            else digest([*_borrowed(feature, known), _settings(feature)])
        )
        for feature in features
    }


def _borrowed(feature: Feature, known: Known) -> list[str | None]:
    return [digest(_settings(known[name])) for name in feature.borrowed] or [None]


def _settings(feature: Feature) -> list[object]:
    return [type(feature).__name__, feature.settings()]


def digest(plain: object) -> str:
    """What tells plain data from other data, in 8 hexadecimal digits."""
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def fingerprint_key(known: Mapping[str, str]) -> str:
    """The key of a batch whose inputs are of features with these fingerprints."""
    return SCHEMA + ",".join(f"{name}={value}" for name, value in sorted(known.items()))


def looked_up_inputs(names: Iterable[str]) -> set[str]:
    """The inputs that a batch says were looked up."""
    told = [name[len(SCHEMA) :] for name in names if name.startswith(SCHEMA)]
    return {said.partition("=")[0] for one in told for said in one.split(",")}


def columns_of(names: Iterable[str]) -> list[str]:
    """The names of a batch's columns, sorted: its inputs without what is said of them."""
    return sorted(name for name in names if not name.startswith("__"))


def check_fingerprints(
    owner: str, known: Mapping[str, str], names: Collection[str], required: bool
) -> None:
    """Refuses a batch that was looked up by another schema than that of its reader.

    Args:
      owner: what a message calls the reader.
      known: fingerprints of the features that it reads, by name.
      names: of the batch's inputs.
      required: whether a batch that doesn't say its schema is refused as well.

    Raises:
      ValueError: naming the features that differ.
    """
    told = [name[len(SCHEMA) :] for name in names if name.startswith(SCHEMA)]
    if not told:
        if required:
            raise ValueError(
                f"the inputs of {owner} must be rows that its schema looked up, received columns "
                f"{columns_of(names)} that don't say so, such as raw ids: use "
                "`tfpfd.data.from_rows(rows, schema)`, `from_stream` or `schema.lookup(columns)`, "
                f"and where columns are selected later, keep the key that begins with '{SCHEMA}'"
            )
        return
    # A batch that was put together of two says twice what it is, and both must be true.
    said: dict[str, set[str]] = {}
    for feature in ",".join(told).split(","):
        name, _, value = feature.partition("=")
        said.setdefault(name, set()).add(value)
    differing = [
        name for name, value in known.items() if name in names and said.get(name) != {value}
    ]
    if differing:
        raise ValueError(
            f"the batch was looked up by another schema than that of {owner}: features "
            f"{differing} have other vocabularies, bucket edges or settings there; look the rows "
            "up by the model's own `schema`, or renew the model for new ids by `tfpfd.retrain`"
        )
