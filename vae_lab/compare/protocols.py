"""Decides which values of a score are comparable.

They must agree in the data, the network, the number of images, the reference and the metric's options. Some parts of a
protocol do not count: the seed, the number of draws of the latents behind a mean, the way intervals and floors were
computed, and software versions change a value within its interval, but not its meaning. ``sampler`` does not count
either, because the source of the images is what is scored, not how it is scored; if it differs between runs, it is a
column (see :func:`samplers`). Nor does ``normal``, the classes of a one-class protocol, which are a column, too.
"""

import json
from collections.abc import Iterator, Sequence
from string import ascii_uppercase

from vae_lab.compare.reading import Record
from vae_lab.config.node import Node

_IGNORED_KEYS = {"seed", "bootstrap", "interval", "floor", "sampler", "classifier_test_accuracy", "software",
                 "latent_samples", "draws", "terms", "normal", "elbo_is_a_likelihood_bound"}  # fmt: skip
# With all their constants, these likelihoods give −log p(x) in the same measure.
_DENSITIES = {
    "MSE",
    "Gaussian",
    "Sigma",
    "SigmaPerPixel",
    "SigmaPredicted",
}
# These leave out constants, so they compare within one likelihood only.
_PER_LIKELIHOOD = {"test/loss", "test/recon", "val/loss", "val/recon"}
# Metrics of the scores whose names do not begin with the name of their metric. A name stands for those with an index or
# a word more, such as ``perplexity_level2``, too. For scores whose metric is not found, the protocols of all metrics of
# the run count.
_SCORES_OF = {
    "loss_terms": ("loss", "recon", "kl", "elbo", "rate", "distortion", "bits_per_dim", "iwae_bound", "sigma",
                   "kl_reconstructions", "kl_samples", "repulsion"),
    "batch_terms": ("mi", "tc", "dimension_kl", "off_diagonal", "diagonal", "mmd_rbf"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "label_distribution": ("label_distance", "label_confidence"),
    "aggregate_posterior": ("mmd", "mutual_information", "marginal_kl"),
    "novelty": ("near_copies",),
    "latent_use": ("active_units",),
    "bound": ("rate_fitted", "rate_uniform"),
    "codes": ("perplexity", "codes_used", "code_nats"),
    "levels": ("kl_level", "active_units_level", "rate_top", "recon_top"),
    "probe": ("probe_accuracy_few", "knn_accuracy", "knn_accuracy_few"),
}  # fmt: skip
_METRICS = {score: metric for metric, scores in _SCORES_OF.items() for score in scores}
_NOT_METRICS = {"checkpoint", "images", "prior", "samplers"}  # entries of a protocol that describe the run, not a score
_NOT_OF_IMAGES = {"labels", "memory_gb"}  # settings of a source that leave its images as they are
_SUFFIXES = ("_inception", "")  # of the network that computes the features


def data_of(config: Node, as_the_model_sees: bool = True) -> Node:
    """Return the settings that identify a dataset's test images.

    Args:
        config: the config of a run.
        as_the_model_sees: include binarisation, which changes the images that likelihoods are computed on.
    """
    dataset = config.get("dataset") or {}
    source = {k: v for k, v in (dataset.get("source") or {}).items() if k not in _NOT_OF_IMAGES}
    data = {"dataset": dataset.get("name"), "source": source}
    return data | ({"binarize": dataset.get("binarize")} if as_the_model_sees else {})


def protocol_key(record: Record, score: str) -> str:
    """Return a text that is the same for two runs exactly if their values of the score are comparable."""
    return json.dumps(_protocol(record, score), sort_keys=True, ensure_ascii=False, default=str)


def metric_of(score: str, protocol: Node) -> str | None:
    """Return the entry of a run's protocol that describes a score; None if there is none."""
    name = score.removeprefix("test/").removeprefix("val/").removesuffix("_floor")
    prefix = "val_" if score.startswith("val/") else ""
    fitted = sorted((f"_{sampler}" for sampler in fitted_samplers(protocol)), key=len, reverse=True)
    suffixes = [network + sampler for sampler in [*fitted, ""] for network in _SUFFIXES]
    suffix = next(suffix for suffix in suffixes if name.endswith(suffix))
    bare = name.removesuffix(suffix)
    cut = [bare[:i] for i in range(len(bare), 0, -1) if i == len(bare) or bare[i] == "_"]
    heads = [head for name in cut for head in dict.fromkeys((name, name.rstrip("0123456789")))]
    metrics = [metric for head in heads for metric in (_METRICS.get(head), head) if metric]
    named = [prefix + metric + suffix for metric in metrics]
    return next((metric for metric in _listing(bare, prefix, protocol) + named if metric in protocol), None)


def _listing(name: str, prefix: str, protocol: Node) -> list[str]:
    """The entries of a protocol that list a score among their ``terms``, as those of an objective's terms do."""
    entries = [metric for metric, part in protocol.items() if isinstance(part, dict) and name in part.get("terms", ())]
    return [metric for metric in entries if metric.startswith("val_") == bool(prefix)]


def fitted_samplers(protocol: Node) -> list[str]:
    """Return the names of the samplers fitted after training, which end the names of their scores (``fid_gmm``)."""
    entries = protocol.get("samplers")
    return list(entries) if isinstance(entries, dict) else []


def _protocol(record: Record, score: str) -> Node:
    """The parts of a run's protocol that decide with which values the run's score is comparable."""
    metric = metric_of(score, record.protocol)
    entries = {metric: record.protocol[metric]} if metric else record.protocol
    parts = {k: v for k, v in entries.items() if k not in _NOT_METRICS and isinstance(v, dict)}
    of_images = bool(parts) and all("extractor_sha256" in part for part in parts.values())
    # The importance-weighted bound is a different bound for every number of latent samples.
    ignored = _IGNORED_KEYS - {"latent_samples"} if score.endswith("/iwae_bound") else _IGNORED_KEYS
    inner = {key: value for part in parts.values() for key, value in part.items() if key not in ignored}
    if score not in _PER_LIKELIHOOD and "likelihood" in inner:
        inner["likelihood"] = "a density" if str(inner["likelihood"]) in _DENSITIES else inner["likelihood"]
        inner.pop("recon_leaves_out", None)
    return {**data_of(record.config, as_the_model_sees=not of_images), **inner}


def samplers(records: Sequence[Record]) -> list[str | None]:
    """Return the source of each run's scored images; None if the run's protocol does not state it.

    Samplers that were fitted after training are not considered, because their images have separate scores.
    """
    return [next(_sources(record.protocol), None) for record in records]


def _sources(protocol: Node) -> Iterator[str]:
    fitted = tuple(f"_{sampler}" for sampler in fitted_samplers(protocol))
    for name, part in protocol.items():
        if isinstance(part, dict) and "sampler" in part and name not in _NOT_METRICS and not name.endswith(fitted):
            yield str(part["sampler"])


class Protocols:
    """The protocols under which the runs measured one score.

    Protocols are numbered from 0; the protocol of the most runs comes first.

    Args:
        score: name of the score, as ``test/fid``.
        records: the runs; those without the score have no protocol.
    """

    def __init__(self, score: str, records: Sequence[Record]) -> None:
        keys = {i: protocol_key(r, score) for i, r in enumerate(records) if r.finished and score in r.scores}
        sizes = {key: list(keys.values()).count(key) for key in sorted(set(keys.values()))}
        self.keys = sorted(sizes, key=lambda key: (-sizes[key], key))
        self.number_of = {i: self.keys.index(key) for i, key in keys.items()}  # run -> number of its protocol
        self._descriptions = _descriptions([json.loads(key) for key in self.keys])

    def __len__(self) -> int:
        return len(self.keys)

    def members(self, number: int) -> list[int]:
        """Return the runs that were measured under a protocol."""
        return [run for run, of_run in self.number_of.items() if of_run == number]

    def label(self, number: int) -> str:
        """Return a protocol's letter, description and number of runs: ``A: images 360 (12 runs)``."""
        n = len(self.members(number))
        return f"{letter(number)}: {self._descriptions[number] or 'one protocol'} ({n} run{'s' if n > 1 else ''})"


def letter(number: int) -> str:
    """Return the letter of a protocol: A, B, … Z, A2, …"""
    return ascii_uppercase[number % 26] + (str(number // 26 + 1) if number >= 26 else "")


def _descriptions(protocols: list[Node]) -> list[str]:
    """Describe each protocol by a few keys that distinguish all of them, the most readable keys first.

    A single protocol is described by its data and network.
    """
    keys = dict.fromkeys([*_READABLE, *sorted({key for protocol in protocols for key in protocol})])
    chosen: list[str] = [] if len(protocols) > 1 else list(_READABLE[:3])
    for key in keys:
        if _count_distinct(protocols, [*chosen, key]) > _count_distinct(protocols, chosen):
            chosen.append(key)
    return [", ".join(f"{_NAMES.get(key, key)} {_shortened(p[key])}" for key in chosen if p.get(key))
            for p in protocols]  # fmt: skip


def _count_distinct(protocols: list[Node], keys: list[str]) -> int:
    """The number of protocols that differ in these keys."""
    return len({str([protocol.get(key) for key in keys]) for protocol in protocols})


_READABLE = (
    "dataset",
    "features",
    "images",
    "likelihood",
    "crop",
    "extractor_sha256",
    "reference",
    "source",
    "binarize",
)
_NAMES = {"extractor_sha256": "network sha256"}


def _shortened(value: object) -> str:
    if isinstance(value, dict):  # the source of a dataset
        value = ", ".join(f"{k}={v}" for k, v in value.items() if k != "_target_") or value.get("_target_", "")
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 and " " not in text else text[-60:]
