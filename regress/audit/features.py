"""Texts as TF-IDF features, whatever the texts are: none, all alike, no word among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[Any]


def tfidf(texts: Sequence[str], **options: Any) -> tuple[Any, Names]:
    """A sparse matrix (texts, features) of unit rows, and the features' names; options as of TfidfVectorizer.

    Where pruning by frequency leaves nothing, nothing is pruned; where there is nothing to begin with, rows are zero.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    for pruned in (options, {**options, "min_df": 1, "max_df": 1.0}):
        vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **pruned)
        try:
            return vectorizer.fit_transform(texts).tocsr(), vectorizer.get_feature_names_out()
        except ValueError:  # its only word for an empty vocabulary
            continue
    return csr_matrix((len(texts), 1), dtype=np.float32), np.array([""])
