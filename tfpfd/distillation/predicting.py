"""Models that give logits of rows: what `predict` takes, and refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tfpfd._keras import keras
from tfpfd.distillation.fit_arguments import by_name, check_batch_size, inputs_of
from tfpfd.distillation.schemas import rankers_of
from tfpfd.distillation.stored_weights import StoredModel


@contextlib.contextmanager
def traced_anew(model: keras.Model) -> Iterator[None]:
    """Lets Keras make its functions again if one fails.

    What fails while it is traced leaves a function that good batches couldn't use either.
    """
    try:
        yield
    except Exception:
        model.train_function = model.test_function = model.predict_function = None
        raise


class PredictingModel(StoredModel):
    """Base of the models whose `predict` takes batches, or inputs alone.

    One of which only a part is served names that part (`_served`), whose logits `predict` returns.
    """

    _served: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        # In mixed precision Keras would make columns of scores in a batch float16.
        super().__init__(autocast=False, **kwargs)

    def _check_predicted(self, names: Collection[str]) -> None:
        """Refuses batches that `predict` can't read.

        Args:
          names: of the inputs.
        """
        for ranker in rankers_of(self if self._served is None else getattr(self, self._served)):
            ranker.check_inputs(names)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logits of rows; as in Keras, with inputs or batches as `fit` takes them.

        Raises:
          TypeError: rows came that were not looked up.
          ValueError: a feature is not among the inputs, another schema looked them up, or
            `batch_size` stands beside batches.
        """
        kwargs = by_name(keras.Model.predict, (x, *args), kwargs)
        inputs = inputs_of("x", x)
        check_batch_size(x, kwargs.get("batch_size"))
        if isinstance(inputs, Mapping):
            self._check_predicted(list(inputs))
        with traced_anew(self):
            return super().predict(**kwargs)

    def predict_step(self, data: Any) -> Any:
        """What `predict` returns of a batch: needs no more features than what is served."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(inputs, Mapping):
            self._check_predicted(list(inputs))
        part = self if self._served is None else getattr(self, self._served)
        return part(inputs, training=False)

    def predict_on_batch(self, x: Any) -> Any:
        """The logits of one batch; as in Keras, refused as by `predict`."""
        with traced_anew(self):
            return super().predict_on_batch(x)
