"""The functions by name, but for those that read samples themselves (see `ranges` and `absent`)."""

from collections.abc import Mapping

from pgwatch.promql.functions import VALUE_FUNCTIONS, Function
from pgwatch.promql.histogram import histogram_fraction, histogram_quantile
from pgwatch.promql.relabel import label_join, label_replace

FUNCTIONS: Mapping[str, Function] = {
    **VALUE_FUNCTIONS,
    "histogram_fraction": histogram_fraction,
    "histogram_quantile": histogram_quantile,
    "label_join": label_join,
    "label_replace": label_replace,
}
