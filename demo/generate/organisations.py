"""Organisations that plainly don't exist: every name begins with 示例 (example), every code has right check digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demo.generate.divisions import in_use
from demo.generate.identifiers import as_text, uscc_bytes
from demo.generate.text import Bytes, Ints

# First two characters of the code -> name patterns; {k} is a serial number.
_KINDS: dict[str, tuple[str, ...]] = {
    "11": ("示例市第{k}财政所", "示例县第{k}建设局", "示例区第{k}街道办事处", "示例市第{k}水务局"),
    "12": ("示例市第{k}中学", "示例县第{k}小学", "示例市第{k}人民医院", "示例区第{k}文化馆"),
    "13": ("示例市第{k}群众团体",),
    "19": ("示例市第{k}机关服务中心",),
    "29": ("示例第{k}涉外服务机构",),
    "51": ("示例市第{k}行业协会",),
    "52": ("示例区第{k}民办幼儿园",),
    "53": ("示例市第{k}教育基金会",),
    "91": ("示例{k}号建筑有限公司", "示例{k}号信息技术有限公司", "示例{k}号商贸有限公司", "示例{k}号物业服务有限公司"),
    "93": ("示例县第{k}农机专业合作社",),
    "N2": ("示例镇第{k}村股份经济合作社",),
}
PUBLIC = {"11": 40, "12": 52, "13": 3, "19": 5}
"""Weights of kinds among bodies that spend public money."""
SUPERVISED = {"11": 30, "12": 40, "19": 4, "29": 1, "51": 4, "53": 2, "91": 12, "N2": 8}
"""Weights of kinds among supervised bodies: with public firms and village collectives."""
PAYEES = {"91": 69, "12": 10, "29": 1, "51": 4, "52": 4, "53": 2, "93": 4, "N2": 6}
"""Weights of kinds among those who are paid."""


@dataclass(frozen=True)
class Organisations:
    """A pool of organisations; the columns have one entry each."""

    names: pa.StringArray
    codes: Bytes  # 18 bytes each
    divisions: pa.StringArray  # six digits, of the registration

    def __len__(self) -> int:
        return len(self.names)

    def uscc(self, index: Ints) -> pa.StringArray:
        """The codes at these positions."""
        return as_text(self.codes[index])


def organisations(count: int, kinds: dict[str, int], first: int, rng: np.random.Generator) -> Organisations:
    """A pool of `count` organisations whose serial numbers begin at `first`, so that pools don't overlap."""
    weights = np.array(list(kinds.values()), dtype=np.float64)
    chosen = rng.choice(np.array(list(kinds)), size=count, p=weights / weights.sum())
    divisions = rng.choice(np.array(in_use()), size=count)
    serials = np.arange(first, first + count, dtype=np.int64)
    patterns = [_KINDS[str(kind)] for kind in chosen]
    names = [options[k % len(options)].format(k=k) for options, k in zip(patterns, serials.tolist(), strict=True)]
    return Organisations(
        pa.array(names, pa.string()),
        uscc_bytes(chosen, divisions, serials),
        pa.array(divisions.tolist(), pa.string()),
    )
