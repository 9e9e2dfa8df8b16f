"""What a named person did, on record: nobody acts without a name and a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from hub.said import Said
from warehouse.errors import OperatorMissing
from warehouse.tables import act

_IN_CHINESE: Mapping[str, str] = {
    "fix": "修正",
    "replay": "重放",
    "release": "放行",
    "reject": "退回",
    "feed cursor": "设置游标",
    "rebase": "重定位",
    "grant": "授权",
    "revoke": "收回权限",
    "rerun": "重新运行",
    "cancel": "取消",
    "pause": "暂停",
    "resume": "恢复",
    "backfill": "补数",
    "takedown": "撤下",
    "settle": "了结",
    "lift": "解除撤下",
    "agency add": "登记机构",
    "agency contact": "更改机构联系人",
    "agency suspend": "暂停机构",
    "agency resume": "恢复机构",
    "agency allow": "授予数据源权限",
    "agency deny": "收回数据源权限",
    "agency key add": "登记密钥",
    "agency key revoke": "吊销密钥",
    "receipt rotate": "更换签名密钥",
}


def named(action: str, operator: str, reason: str) -> tuple[str, str]:
    """The operator's name and reason, trimmed. Raises OperatorMissing where either is empty."""
    if not operator.strip() or not reason.strip():
        raise OperatorMissing(action=Said(action, _IN_CHINESE.get(action, action)))
    return operator.strip(), reason.strip()


def note(
    conn: sa.Connection,
    action: str,
    what: str,
    by: tuple[str, str],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Notes an act on an object (a batch id, a lane …) by (operator, reason), in the open transaction."""
    operator, reason = by
    conn.execute(
        sa.insert(act).values(operator=operator, action=action, object=what, reason=reason, facts=dict(facts or {}))
    )
