"""A SavedModel as a scorer inside training."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpfd._files import path_in
from tfpfd._keras import keras, register
from tfpfd.objectives.frozen import flat
from tfpfd.schema.batch_fingerprints import columns_of


class _Loaded:
    """A SavedModel, hidden from Keras, which would count its variables as weights."""

    def __init__(self, path: str) -> None:
        if not (Path(path) / "saved_model.pb").is_file():
            raise FileNotFoundError(f"'{path}' holds no SavedModel: expected saved_model.pb in it")
        self.model = tf.saved_model.load(path)  # Kept: it owns the variables.
        self.signatures = self.model.signatures


@register
class SavedScorer(keras.layers.Layer):
    """A frozen scorer that runs a signature of a SavedModel, whatever wrote it.

    Its inputs are inputs of the batch: numbers that `from_rows(…, extra_columns=[…])` passes on, as
    float32, or table rows, as int32, for a model that was exported behind the lookup. A signature
    of raw features, such as those of `tfpfd.export`, takes strings and 64-bit ids, which a batch
    doesn't hold: score the rows once into a column with `tfpfd.saved_scores` in place of it.

    The weights stay in the SavedModel, which must be at its path when a saved training is loaded.

    Args:
      path: directory with `saved_model.pb`.
      signature: name of the signature.
      inputs: the batch's name for inputs of the signature, where it differs.
      output: the output that holds the logits, `[batch]` or `[batch, 1]`; by default the only one.

    Raises:
      FileNotFoundError: there is no SavedModel at `path`.
      ValueError: there is no such signature, input or output, or an input is neither float nor
        int32; when called, an input is missing, or of another type than the signature's.
    """

    def __init__(
        self,
        path: str | Path,
        signature: str = "serving_default",
        inputs: Mapping[str, str] | None = None,
        output: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # Scores stay float32 in mixed precision.
        self.directory = str(path_in("path", path))
        self.signature = signature
        self.loaded = _Loaded(self.directory)
        found = self.loaded.signatures
        if signature not in found:
            raise ValueError(
                f"`signature` must be one of those in '{path}', {sorted(found)}, received "
                f"{signature!r}"
            )
        self.specs = dict(found[signature].structured_input_signature[1])
        outputs = sorted(found[signature].structured_outputs)
        self._check(dict(inputs or {}), output, outputs)
        self.names = {name: (inputs or {}).get(name, name) for name in self.specs}
        self.output_name = output or outputs[0]
        self.trainable = False
        self.supports_jit = False
        self.built = True

    def _check(self, inputs: Mapping[str, str], output: str | None, outputs: list[str]) -> None:
        unknown = sorted(set(inputs) - set(self.specs))
        if unknown:
            raise ValueError(
                f"`inputs` names {unknown}: expected inputs of the signature, {sorted(self.specs)}"
            )
        for name, spec in self.specs.items():
            if not spec.dtype.is_floating and spec.dtype != tf.int32:
                raise ValueError(
                    f"input '{name}' of the signature '{self.signature}' takes "
                    f"{spec.dtype.name}, which a batch doesn't hold: score the rows into a column "
                    "(see `tfpfd.saved_scores` and `tfpfd.PrecomputedTeacher`)"
                )
        if output not in (outputs if output or len(outputs) > 1 else [None]):
            raise ValueError(
                f"`output` must be one of the signature's outputs, {outputs}, received {output!r}"
            )

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` unless all inputs are among the names of a batch's inputs."""
        missing = sorted(name for name in self.names.values() if name not in names)
        if missing:
            raise ValueError(
                f"missing inputs {missing} of '{self.directory}': expected columns that "
                f"`extra_columns` of from_rows passes on, received {columns_of(names)}"
            )

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]`."""
        self.check_inputs(inputs)
        given = {name: self._fed(name, inputs[self.names[name]]) for name in self.specs}
        logits = self.loaded.signatures[self.signature](**given)[self.output_name]
        return tf.stop_gradient(flat(logits))

    def _fed(self, name: str, values: tf.Tensor) -> tf.Tensor:
        spec, values = self.specs[name], tf.convert_to_tensor(values)
        if values.dtype.is_floating != spec.dtype.is_floating:
            raise ValueError(
                f"input '{name}' of the SavedModel takes {spec.dtype.name}, received "
                f"{values.dtype.name} under '{self.names[name]}': a feature stands in a batch as a "
                "table row; its raw numbers can be kept in a column of another name"
            )
        if spec.shape.rank == values.shape.rank + 1:
            values = values[..., None]
        return tf.cast(values, spec.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "path": self.directory,
            "signature": self.signature,
            "inputs": dict(self.names),
            "output": self.output_name,
        }
