"""CelebA (Liu et al. 2015, aligned and cropped): 202,599 faces of 178×218 pixels, with 40 attributes of each."""

from pathlib import Path

from pydantic import PositiveFloat, PositiveInt

from vae_lab.data.listed_images import Decoding
from vae_lab.data.torchvision_reading import read_or_download
from vae_lab.examples import Examples

_FILES = (
    "list_attr_celeba.txt, list_eval_partition.txt, identity_CelebA.txt, list_bbox_celeba.txt, "
    "list_landmarks_align_celeba.txt and the folder img_align_celeba (unpacked)"
)
_INSTEAD = "dataset=image_folder dataset.source.path=<folder> for any folder of face images"


class CelebA:
    """The published split: 162,770 training, 19,867 validation and 19,962 test images, with their attributes, 0 or 1.

    Args:
        height, width: size in pixels.
        crop: side of the square in the centre that is scaled to this size, in pixels: 148 (Larsen et al. 2016, arXiv
            1512.09300, and many after them), 140 (Tolstikhin et al. 2018, arXiv 1711.01558); None: the whole width.
        memory_gb: images that take more than this many GiB are decoded into a file in the cache, which later runs use.
    """

    def __init__(
        self,
        height: PositiveInt = 64,
        width: PositiveInt = 64,
        crop: PositiveInt | None = 148,
        memory_gb: PositiveFloat = 1.0,
    ) -> None:
        self.decoding = Decoding(3, height, width, crop, memory_gb=memory_gb)

    def load(self, root: Path) -> tuple[Examples, Examples]:
        """Return the training examples, those for validation marked, and the test examples.

        Raises:
            UserError: files are damaged, or are missing and cannot be downloaded.
        """
        from torchvision import datasets

        where = root / datasets.CelebA.base_folder

        def read(download: bool) -> datasets.CelebA:
            return datasets.CelebA(str(root), "all", download=download)

        found = read_or_download("celeba", read, where, _FILES, _INSTEAD)
        splits = found._load_csv("list_eval_partition.txt").data.flatten()  # 0 training, 1 validation, 2 test
        pixels = self.decoding.read([where / "img_align_celeba" / name for name in found.filename])
        names = tuple(name for name in found.attr_names if name)  # the header ends with a space
        examples = Examples(pixels, found.attr.float(), attributes=names, for_validation=splits == 1)
        return examples.part((splits < 2).nonzero().flatten()), examples.part((splits == 2).nonzero().flatten())
