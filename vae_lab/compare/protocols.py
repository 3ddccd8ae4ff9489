"""Which values may stand on one axis: those of the same data, network, number of images, reference and options.

What a protocol says of seeds, of how intervals and floors were had, and of software does not count: it changes a value
within its interval, not its meaning. Nor does ``sampler`` count: where the images come from is what is scored, not how,
and it is told as a column where it differs (see :func:`samplers`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from vae_lab.compare.reading import Record

_UNCOUNTED = {"seed", "bootstrap", "interval", "floor", "sampler", "classifier_test_accuracy", "software",
              "latent_samples", "elbo_is_a_likelihood_bound"}  # fmt: skip
_DENSITIES = {"MSE", "Gaussian", "Sigma"}  # with all constants, these give −log p(x) in the same measure
_OF_ONE_LIKELIHOOD = {"test/loss", "test/recon"}  # without all constants
# Scores whose names do not begin with that of their metric; any others do, or count every protocol of the run.
_METRICS = {
    **dict.fromkeys(("loss", "recon", "kl", "elbo", "rate", "distortion", "bits_per_dim"), "loss_terms"),
    **dict.fromkeys(("precision", "recall", "density", "coverage"), "prdc"),
    **dict.fromkeys(("label_distance", "label_confidence"), "label_distribution"),
    **dict.fromkeys(("mmd", "mutual_information", "marginal_kl"), "aggregate_posterior"),
    "near_copies": "novelty",
    "active_units": "latent_use",
    "probe_accuracy_few": "probe",
    "knn_accuracy": "probe",
    "knn_accuracy_few": "probe",
}
_BESIDE = {"checkpoint", "images", "samplers"}  # of the run, not of a score
_SUFFIXES = ("_inception", "")  # of a network


def data_of(config: Mapping[str, Any], as_the_model_sees: bool = True) -> dict[str, Any]:
    """What tells one dataset's test images from another's; binarisation changes what a model is scored on."""
    dataset = config.get("dataset") or {}
    source = {k: v for k, v in (dataset.get("source") or {}).items() if k != "labels"}  # the images are the same
    found = {"dataset": dataset.get("name"), "source": source}
    return found | ({"binarize": dataset.get("binarize")} if as_the_model_sees else {})


def key_of(record: Record, score: str) -> str:
    """Two values of a score compare exactly if this text is the same."""
    return json.dumps(_counted(record, score), sort_keys=True, ensure_ascii=False, default=str)


def metric_of(score: str, protocol: dict[str, Any]) -> str | None:
    """The entry of a run's protocol that a score stands under; None where it cannot be told."""
    name = score.removeprefix("test/").removesuffix("_floor")
    fitted = sorted((f"_{sampler}" for sampler in fitted_samplers(protocol)), key=len, reverse=True)
    suffixes = [network + sampler for sampler in [*fitted, ""] for network in _SUFFIXES]
    suffix = next(suffix for suffix in suffixes if name.endswith(suffix))
    bare = name.removesuffix(suffix)
    named = [_METRICS[bare]] if bare in _METRICS else []
    heads = [bare[:i] for i in range(len(bare), 0, -1) if i == len(bare) or bare[i] == "_"]
    return next((head + suffix for head in named + heads if head + suffix in protocol), None)


def fitted_samplers(protocol: Mapping[str, Any]) -> list[str]:
    """Names of the samplers that were fitted after training; their scores end with them (``fid_gmm``)."""
    found = protocol.get("samplers")
    return list(found) if isinstance(found, dict) else []


def _counted(record: Record, score: str) -> dict[str, Any]:
    metric = metric_of(score, record.protocol)
    chosen = {metric: record.protocol[metric]} if metric else record.protocol
    parts = {k: v for k, v in chosen.items() if k not in _BESIDE and isinstance(v, dict)}
    of_images = bool(parts) and all("extractor_sha256" in part for part in parts.values())
    inner = {key: value for part in parts.values() for key, value in part.items() if key not in _UNCOUNTED}
    if score not in _OF_ONE_LIKELIHOOD and "likelihood" in inner:
        inner["likelihood"] = "a density" if str(inner["likelihood"]) in _DENSITIES else inner["likelihood"]
        inner.pop("recon_leaves_out", None)
    return {**data_of(record.config, as_the_model_sees=not of_images), **inner}


def samplers(records: Sequence[Record]) -> list[str | None]:
    """Where each run's scored images come from, if the protocols of its scores of images say so.

    Images of samplers that were fitted after training have scores of their own.
    """
    return [next(_sources(record.protocol), None) for record in records]


def _sources(protocol: Mapping[str, Any]) -> Iterator[str]:
    fitted = tuple(f"_{sampler}" for sampler in fitted_samplers(protocol))
    for name, part in protocol.items():
        if isinstance(part, dict) and "sampler" in part and name != "samplers" and not name.endswith(fitted):
            yield str(part["sampler"])


class Protocols:
    """The protocols of one score among runs: which run stands under which, and what tells them apart."""

    def __init__(self, score: str, records: Sequence[Record]) -> None:
        keys = {i: key_of(r, score) for i, r in enumerate(records) if r.finished and score in r.scores}
        sizes = {key: list(keys.values()).count(key) for key in sorted(set(keys.values()))}
        self.keys = sorted(sizes, key=lambda key: (-sizes[key], key))  # the most runs first
        self.of = {i: self.keys.index(key) for i, key in keys.items()}  # run -> number of its protocol
        self._told = _told([json.loads(key) for key in self.keys])

    def __len__(self) -> int:
        return len(self.keys)

    def members(self, number: int) -> list[int]:
        """The runs under a protocol."""
        return [i for i, found in self.of.items() if found == number]

    def label(self, number: int) -> str:
        """``A: images 360 (12 runs)``."""
        n = len(self.members(number))
        return f"{letter(number)}: {self._told[number] or 'one protocol'} ({n} run{'s' if n > 1 else ''})"


def letter(number: int) -> str:
    """A, B, … Z, A2, …"""
    return ascii_uppercase[number % 26] + (str(number // 26 + 1) if number >= 26 else "")


def _told(protocols: list[dict[str, Any]]) -> list[str]:
    """Each by the fewest keys that tell all apart, the plainest first; a single one by its data and network."""
    keys = dict.fromkeys([*_PLAIN, *sorted({key for protocol in protocols for key in protocol})])
    chosen: list[str] = [] if len(protocols) > 1 else list(_PLAIN[:3])
    for key in keys:
        if _apart(protocols, [*chosen, key]) > _apart(protocols, chosen):
            chosen.append(key)
    return [", ".join(f"{_NAMES.get(key, key)} {_short(p[key])}" for key in chosen if p.get(key)) for p in protocols]


def _apart(protocols: list[dict[str, Any]], keys: list[str]) -> int:
    """How many of the protocols differ in these keys."""
    return len({str([protocol.get(key) for key in keys]) for protocol in protocols})


_PLAIN = ("dataset", "features", "images", "likelihood", "extractor_sha256", "reference", "source", "binarize")
_NAMES = {"extractor_sha256": "network sha256"}


def _short(value: Any) -> str:
    if isinstance(value, dict):  # a dataset's source
        value = ", ".join(f"{k}={v}" for k, v in value.items() if k != "_target_") or value.get("_target_", "")
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 and " " not in text else text[-60:]
