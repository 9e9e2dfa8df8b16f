"""Errors of backup and restore."""

from __future__ import annotations

from hub.errors import HubError, TransientError


class BackupTargetTaken(HubError):
    """The folder for a backup holds something."""

    code = "HUB-BAK-001"
    en = "{folder} is not empty; nothing was written"
    zh = "{folder} 非空，未写入任何内容"
    remedy_en = "name a folder that does not exist yet, one for each backup"
    remedy_zh = "请指定尚不存在的文件夹，每次备份一个"


class ProgramFailed(HubError):
    """pg_dump or pg_restore did not do it."""

    code = "HUB-BAK-002"
    en = "{program} failed: {reason}"
    zh = "{program} 失败：{reason}"
    remedy_en = (
        "read the reason; where it names versions, point HUB_POSTGRES_HOME at programs as new as the server or newer"
    )
    remedy_zh = "请查看原因；如为版本不符，请将 HUB_POSTGRES_HOME 指向不低于服务器版本的程序"


class BackupIncomplete(HubError):
    """The folder holds no whole backup."""

    code = "HUB-BAK-003"
    en = "{folder} holds no whole backup: {what}; nothing was restored"
    zh = "{folder} 不是完整的备份：{what}；未恢复任何内容"
    remedy_en = "take another backup; one that was cut short, or changed since, is never restored"
    remedy_zh = "请改用其他备份；中断过或被改动过的备份不予恢复"


class RestoreTargetTaken(HubError):
    """The place to restore to is in use."""

    code = "HUB-BAK-004"
    en = "{place} already holds something else: {what}; nothing was restored"
    zh = "{place} 已有其他内容：{what}；未恢复任何内容"
    remedy_en = "restore into an empty database and an empty run directory (HUB_DATABASE_URL, HUB_VAR)"
    remedy_zh = "请恢复到空数据库和空运行目录（HUB_DATABASE_URL、HUB_VAR）"


class BackupBusy(TransientError):
    """Batches came and went too fast for one moment of database and store."""

    code = "HUB-BAK-005"
    en = "batches were being loaded so fast that {tries} times no moment of database and store could be held"
    zh = "批次入库过于频繁，{tries} 次均未能取得数据库与存储一致的时刻"
    remedy_en = "run it again, at an hour when less is loaded"
    remedy_zh = "请在入库较少的时段重试"
