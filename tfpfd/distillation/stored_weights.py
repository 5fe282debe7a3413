"""Weights in files: they say which vocabularies they are of, and are refused by other ones."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from tfpfd._keras import keras
from tfpfd.distillation.overview import OverviewModel
from tfpfd.distillation.schemas import rankers_of
from tfpfd.distillation.sharding import sharded_weight
from tfpfd.schema.weights_fingerprint import WeightsFingerprint

_LEGACY = (".h5", ".hdf5", ".keras")


class StoredModel(OverviewModel):
    """Base of models that refuse files which they couldn't read again, or that aren't theirs.

    A subclass whose weights are of something that their shapes don't tell says so by its
    `schema_print`.
    """

    schema_print: WeightsFingerprint | None = None

    def save_own_variables(self, store: Any) -> None:
        """Writes beside the weights what they are of; called by Keras.

        Raises:
          ValueError: weights lie in parts on several parameter servers.
        """
        check_whole(self)
        super().save_own_variables(store)
        if self.schema_print is not None:
            self.schema_print.write(store)

    def load_own_variables(self, store: Any) -> None:
        """Refuses weights of something else; called by Keras.

        Raises:
          ValueError: they are of other vocabularies, or in another order.
        """
        super().load_own_variables(
            store if self.schema_print is None else self.schema_print.read(store)
        )

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Saves the model, as in Keras.

        Raises:
          ValueError: weights lie in parts on several parameter servers: Keras would write a file
            that can't be loaded.
        """
        if PurePath(filepath).suffix == ".keras":
            check_whole(self)
        super().save(filepath, *args, **kwargs)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Saves the weights, as in Keras.

        Raises:
          ValueError: in the old HDF5 format, which doesn't say of which vocabularies they are.
        """
        _check_format(filepath)
        return super().save_weights(filepath, *args, **kwargs)

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads weights, as in Keras.

        Raises:
          ValueError: they are of another schema, or in the old HDF5 format, which doesn't say of
            which they are.
        """
        _check_format(filepath)
        prints = [print for part in self._parts() if (print := getattr(part, "schema_print", None))]
        for print in prints:
            print.forget()
        # Keras 3 goes on after what it can't load.
        before = None if sharded_weight(self) else self.get_weights()
        try:
            return super().load_weights(filepath, *args, **kwargs)
        except Exception as error:
            if before is not None:
                self.set_weights(before)
            refused = next((print for print in prints if print.refused), None)
            if refused is None:
                raise
            raise ValueError(refused.message) from error

    def _parts(self) -> list[Any]:
        """What weights are of, besides the model itself: rankers and their encoders."""
        rankers = rankers_of(self)
        return [self, *rankers, *(encoder for ranker in rankers for encoder in ranker.encoders)]


def check_whole(model: keras.Model) -> None:
    """Refuses a model for a file of Keras if weights of it lie in parts on several servers."""
    name = sharded_weight(model)
    if name is not None:
        raise ValueError(
            f"{name} lies in parts on several servers, which a .keras file can't hold: use "
            "`tfpfd.save_version` or `tfpfd.export` for a student, which join them, and "
            "`save_weights` or `BackupAndRestore` to go on training"
        )


def _check_format(filepath: Any) -> None:
    name = PurePath(filepath).name
    if name.endswith(_LEGACY) and not name.endswith(".weights.h5"):
        raise ValueError(
            "`filepath` must end in '.weights.h5': files of other endings don't say of which "
            f"vocabularies the weights are, received '{name}'"
        )
