"""What can be wrong with a delivery that is pushed, besides what its body says (HUB-DLV)."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from hub.errors import AgencyError, TransientError


class IdempotencyConflict(AgencyError):
    """An idempotency key comes with other bytes than before."""

    status: ClassVar[int] = HTTPStatus.CONFLICT
    code = "HUB-DLV-001"
    en = "the idempotency key {key} was used for another body: batch {batch}"
    zh = "幂等键 {key} 已用于另一内容：批次 {batch}"
    remedy_en = (
        "give a delivery with other bytes a key of its own; the receipt of the first one is that of batch {batch}"
    )
    remedy_zh = "内容不同的交付请使用新的幂等键；原交付的回执见批次 {batch}"


class RulesChanged(TransientError):
    """A record was taken down while a delivery landed that may hold it."""

    code = "HUB-DLV-002"
    en = "what may be let in of the feed {feed} changed while the delivery landed; nothing of it was kept"
    zh = "交付落地期间，数据源 {feed} 的准入规则发生变化；未保留任何内容"
    remedy_en = "send it again, under the same idempotency key"
    remedy_zh = "请以同一幂等键重新发送"


class DeliveryRefused(AgencyError):
    """A delivery is refused as a whole: the gate does not let it in, or it can't be read to its end."""

    code = "HUB-DLV-003"
    en = "the delivery is refused ({first}): {reason}"
    zh = "交付被拒收（{first}）：{reason}"
    remedy_en = "mend the file and deliver it anew, under another idempotency key; batch {batch} has the receipt of this refusal"
    remedy_zh = "请修正文件并以新的幂等键重新交付；本次拒收的回执见批次 {batch}"
