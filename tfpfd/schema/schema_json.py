"""A schema as plain lists, dicts, strings and numbers: what each must be before it is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tfpfd._arguments import shown
from tfpfd.schema.feature import Feature
from tfpfd.schema.kinds import feature_of

FORMAT = 1


def plain_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The plain form of a schema.

    Args:
      fields: the arguments of `Schema` by name.
    """

    def plain(group: Iterable[Feature]) -> list[dict[str, Any]]:
        return [feature.to_dict() for feature in group]

    hidden = {kind: plain(group) for kind, group in fields["privileged"].items()}
    return {
        "format": FORMAT,
        "user": plain(fields["user"]),
        "item": plain(fields["item"]),
        "privileged": hidden,
        "label": fields["label"],
        "weight": fields["sample_weight"],
        "list_key": fields["list_key"],
        **({"stripped": list(fields["stripped"])} if fields["stripped"] else {}),
    }


def fields_of(plain: Any) -> dict[str, Any]:
    """The arguments of `Schema` by name, of its plain form.

    Raises:
      ValueError: naming what is wrong.
    """
    plain = checked_form(plain)

    def features(group: Iterable[Any]) -> tuple[Feature, ...]:
        return tuple(feature_of(entry) for entry in group)

    return {
        "user": features(plain["user"]),
        "item": features(plain["item"]),
        "privileged": {kind: features(group) for kind, group in plain["privileged"].items()},
        "label": plain["label"],
        "sample_weight": plain["weight"],
        "list_key": plain["list_key"],
        "stripped": tuple(plain.get("stripped", ())),
    }


def parsed(text: Any) -> Any:
    """What JSON holds.

    Raises:
      TypeError: `text` is no string.
      ValueError: it is no JSON.
    """
    expected = "`text` must be what `Schema.to_json` returns, not the path of a file with it"
    if not isinstance(text, str):
        raise TypeError(f"{expected}, received {shown(text)}")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("a schema must be JSON that isn't nested without end") from None
    except ValueError as error:
        raise ValueError(f"{expected}, received {text!r:.80} ({error})") from None


def checked_form(plain: Any) -> Mapping[str, Any]:
    """A schema's plain form, if it has the parts of one; `kinds.feature_of` looks at the features.

    Raises:
      ValueError: naming the part, what was expected and what came.
    """
    if not isinstance(plain, Mapping):
        raise ValueError(f"a schema must be an object, received {type(plain).__name__}")
    if plain.get("format") != FORMAT:
        raise ValueError(f"expected a schema of format {FORMAT}, received {plain.get('format')!r}")
    known = {"format", "user", "item", "privileged", "label", "weight", "list_key", "stripped"}
    missing, unknown = sorted(known - {"stripped"} - set(plain)), sorted(set(plain) - known)
    if missing or unknown:
        raise ValueError(
            f"a schema must hold {sorted(known)}, received it without {missing}, with {unknown}"
        )
    if not isinstance(plain["privileged"], Mapping):
        raise ValueError(f"'privileged' must be an object, received {plain['privileged']!r:.100}")
    sides = [(name, plain[name]) for name in ("user", "item")]
    for name, group in (*sides, *plain["privileged"].items()):
        if not isinstance(group, list | tuple):
            raise ValueError(f"'{name}' must be a list of features, received {group!r:.100}")
    names = plain.get("stripped", [])
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"'stripped' must be a list of names, received {names!r:.100}")
    return plain
