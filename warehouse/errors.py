"""Errors of the warehouse: the tables, the store, batches, the quarantine.

HubError
├── StoreMissing, StoreCorrupt, StorePathInvalid
├── TableMismatch, PromiseBroken
├── BatchUnknown, BatchStateWrong, CountsDontAddUp, BatchContractGone
├── BatchCancelled, BatchNotRerunnable, FeedPaused, TakedownRefused, TakedownNotStanding, RecordUnknown
├── BatchAmbiguous, BatchUnnamed, OperatorMissing, SourceUnknown, ReceiptMissing, CursorRefused, TopicPartitionsFixed
└── FixForbidden, FixInvalid, NothingToReplay, SheetUnreadable, SheetUnwritable, QuarantineRowUnknown
TransientError
└── DatabaseUnavailable, FeedBusy, BatchTakenOver, LaneNotDrained, TopicNotCompared
"""

from __future__ import annotations

from hub.errors import HubError, TransientError, UsageError


class DatabaseUnavailable(TransientError):
    """The database can't be reached, or the connection to it was lost."""

    code = "HUB-DBS-001"
    en = "the database can't be reached: {reason}"
    zh = "无法连接数据库：{reason}"
    remedy_en = "nothing is lost: run again; if it lasts, `hub stack status` and the database's log say why, `hub stack up` starts what does not run"
    remedy_zh = (
        "数据未丢失，请重试；若持续出现，请查看 `hub stack status` 与数据库日志，并用 `hub stack up` 启动未运行的组件"
    )


class FeedBusy(TransientError):
    """Another process is working on the feed."""

    code = "HUB-DBS-002"
    en = "another process is working on the feed {feed}"
    zh = "另一进程正在处理数据源 {feed}"
    remedy_en = "wait for it to end and run again"
    remedy_zh = "请等待其结束后重试"


class BatchTakenOver(TransientError):
    """Another process went on with the batch while this one was away."""

    code = "HUB-DBS-003"
    en = "the batch {batch} was taken over by another process: expected {expected}"
    zh = "批次 {batch} 已由另一进程接管：应为 {expected}"
    remedy_en = "run again: the state in the database is the truth"
    remedy_zh = "请重试：以数据库中的状态为准"


class StoreMissing(HubError):
    """A file that the database names is not in the store."""

    code = "HUB-STO-001"
    en = "the store has no file {path}"
    zh = "存储区没有文件 {path}"
    remedy_en = "check that HUB_VAR points at the store this database belongs to, or restore the file"
    remedy_zh = "请检查 HUB_VAR 是否指向与该数据库配套的存储区，或恢复该文件"


class StoreCorrupt(HubError):
    """A file's bytes are not those that were written."""

    code = "HUB-STO-002"
    en = "the file {path} is not what was written: SHA-256 {found} where {expected} is due"
    zh = "文件 {path} 与写入内容不符：SHA-256 为 {found}，应为 {expected}"
    remedy_en = "restore the file from a copy; do not go on with this batch before"
    remedy_zh = "请从备份恢复该文件，恢复前不要继续处理此批次"


class StorePathInvalid(HubError):
    """A path would leave the store."""

    code = "HUB-STO-003"
    en = "the path {path} is not a path of the store"
    zh = "路径 {path} 不是存储区内的路径"
    remedy_en = "give a relative path without `..`"
    remedy_zh = "请给出不含 `..` 的相对路径"


class TableMismatch(HubError):
    """A contract asks for a table that the existing one can't become by adding nullable columns."""

    code = "HUB-TAB-001"
    en = "the contract {feed} {version} does not fit its table: {reason}"
    zh = "数据契约 {feed} {version} 与现有表不符：{reason}"
    remedy_en = "a breaking change needs a new feed or a migration of core.{feed} and history.{feed} by hand"
    remedy_zh = "破坏性变更需要新建数据源，或手工迁移 core.{feed} 与 history.{feed}"


class PromiseBroken(HubError):
    """A contract's events would not be what its topic promised."""

    code = "HUB-TAB-003"
    en = "the contract {feed} {new} breaks what {topic} promised its readers under {old}: {breaks}"
    zh = "契约 {feed} {new} 违背主题 {topic} 在 {old} 版下对订阅方的承诺：{breaks}"
    remedy_en = (
        "take the change back, publish it on the topic of the next major version (…v<n+1>), or let it through by a dated "
        "exception beside the contract (`hub contract diff {feed}@{old} {feed}` names the changes)"
    )
    remedy_zh = "请撤回变更，或改用下一主版本的主题（…v<n+1>），或在契约旁登记限期例外（变更名称见 `hub contract diff {feed}@{old} {feed}`）"


class BatchUnknown(HubError):
    """No batch has this id."""

    code = "HUB-BAT-001"
    en = "there is no batch {batch}"
    zh = "没有批次 {batch}"
    remedy_en = "`hub batch list` shows the batches"
    remedy_zh = "`hub batch list` 列出批次"


class BatchAmbiguous(UsageError):
    """The beginning of an id fits several batches."""

    code = "HUB-BAT-009"
    en = "{count} batches begin with {given}: {candidates}"
    zh = "有 {count} 个批次以 {given} 开头：{candidates}"
    remedy_en = "give more of the id, as far as it fits one alone"
    remedy_zh = "请多给出几位批次号，直到只匹配一个批次"


class BatchUnnamed(UsageError):
    """Neither a batch nor --last was given, or both, or there is no last one."""

    code = "HUB-BAT-010"
    en = "no batch is chosen: {reason}"
    zh = "未选定批次：{reason}"
    remedy_en = "name one by its id or the beginning of it, or say --last; `hub batch list` shows the batches"
    remedy_zh = "请给出批次号或其开头，或使用 --last；`hub batch list` 列出批次"


class BatchStateWrong(HubError):
    """What was asked is not possible in the batch's state."""

    code = "HUB-BAT-002"
    en = "the batch {batch} is {state}: {action} needs one that is {needed}"
    zh = "批次 {batch} 的状态为 {state}：{action} 需要状态为 {needed} 的批次"
    remedy_en = "`hub batch show {batch}` says what became of it"
    remedy_zh = "`hub batch show {batch}` 说明其处理结果"


class CountsDontAddUp(HubError):
    """rows in is not loaded + unchanged + quarantined + refused: a bug, so nothing is committed."""

    code = "HUB-BAT-003"
    en = "the batch {batch} does not add up: {rows_in} rows in, {loaded} loaded, {unchanged} unchanged, {quarantined} quarantined, {refused} refused"
    zh = "批次 {batch} 数目不符：读入 {rows_in}，入库 {loaded}，未变 {unchanged}，隔离 {quarantined}，拒收 {refused}"
    remedy_en = "this is a defect of the hub: nothing was committed; report it with the batch id"
    remedy_zh = "这是枢纽缺陷：未提交任何数据；请附批次号报告"


class BatchContractGone(HubError):
    """The contract version that a batch was checked under can't be read any more."""

    code = "HUB-BAT-004"
    en = "the batch {batch} was checked under {feed} {version}, which can't be read: {reason}"
    zh = "批次 {batch} 按 {feed} {version} 检查，而该契约版本无法读取：{reason}"
    remedy_en = "restore that version of the contract, or reject the batch and deliver again"
    remedy_zh = "请恢复该契约版本，或退回该批次后重新报送"


class OperatorMissing(HubError):
    """An act needs a named person and a reason."""

    code = "HUB-BAT-005"
    en = "{action} needs the operator's name and a reason"
    zh = "{action} 需要操作人姓名和理由"
    remedy_en = "run it again with --operator NAME and --reason WHY: both stand in the record of what was done"
    remedy_zh = "请加上 --operator 姓名 与 --reason 理由 后重试：两者均记入操作记录"


class SourceUnknown(HubError):
    """The contract has no such source, or more than one where one must be chosen."""

    code = "HUB-BAT-006"
    en = "the feed {feed} has no single source {source}: it has {sources}"
    zh = "数据源 {feed} 没有唯一的来源 {source}：现有 {sources}"
    remedy_en = "name one of its sources with --source"
    remedy_zh = "请用 --source 指定其中一个来源"


class BatchCancelled(HubError):
    """A named person cancelled the batch while it was on its way."""

    code = "HUB-BAT-011"
    en = "the batch {batch} was cancelled; nothing of it is loaded"
    zh = "批次 {batch} 已取消，未作任何入库"
    remedy_en = "`hub batch show {batch}` says who cancelled it and why; the next run takes the delivery anew"
    remedy_zh = "`hub batch show {batch}` 显示取消人和理由；下次运行会重新接收该交付"


class BatchNotRerunnable(HubError):
    """A batch can't go the way again."""

    code = "HUB-BAT-012"
    en = "the batch {batch} can't be run again: {reason}"
    zh = "批次 {batch} 无法重新运行：{reason}"
    remedy_en = "`hub batch show {batch}` says what became of it; past days are read again from their source with `hub feed backfill FEED --from DAY --to DAY --operator NAME --reason TEXT`"
    remedy_zh = "`hub batch show {batch}` 显示其处理结果；可用 `hub feed backfill 数据源 --from 日期 --to 日期 --operator 姓名 --reason 理由` 从来源重新读取过去的日期"


class FeedPaused(HubError):
    """A named person paused the feed."""

    code = "HUB-BAT-013"
    en = "the feed {feed} is paused by {operator}: {reason}"
    zh = "数据源 {feed} 已由 {operator} 暂停：{reason}"
    remedy_en = "let it run again with `hub feed resume {feed} --operator NAME --reason WHY`; a delivery given by hand with --file is taken all the same"
    remedy_zh = "请用 `hub feed resume {feed} --operator 姓名 --reason 理由` 恢复；用 --file 手工给出的交付仍会接收"


class TakedownRefused(HubError):
    """A record can't be taken down now."""

    code = "HUB-BAT-014"
    en = "the record of {feed} can't be taken down now: {reason}"
    zh = "数据源 {feed} 的该记录暂不能撤下：{reason}"
    remedy_en = "`hub relay run --once` sends what waits; then run it again"
    remedy_zh = "请先用 `hub relay run --once` 发送待发事件，然后重试"


class TakedownNotStanding(HubError):
    """A takedown can't be lifted. The key is not quoted: it may be what must go."""

    code = "HUB-BAT-020"
    en = "no takedown of {feed} can be lifted: {reason}"
    zh = "数据源 {feed} 没有可解除的撤下：{reason}"
    remedy_en = "`hub takedown list --feed {feed}` shows those that stand"
    remedy_zh = "`hub takedown list --feed {feed}` 列出生效的撤下"


class RecordUnknown(HubError):
    """No store holds a record of that key. The key is not quoted: it may be what must go."""

    code = "HUB-BAT-015"
    en = "no store holds a record of {feed} with this key"
    zh = "数据源 {feed} 的各存储中没有该键的记录"
    remedy_en = "check feed and key; `hub trace KEY` looks through all feeds"
    remedy_zh = "请核对数据源与键；`hub trace KEY` 会查找全部数据源"


class FixForbidden(HubError):
    """The contract does not let an engineer correct rows."""

    code = "HUB-QUA-001"
    en = "the contract of {feed} forbids fixing rows"
    zh = "数据源 {feed} 的契约不允许修改数据行"
    remedy_en = "have the agency deliver the corrected rows"
    remedy_zh = "请由报送方更正后重新报送"


class FixInvalid(HubError):
    """An edited export can't be taken; nothing of it was."""

    code = "HUB-QUA-002"
    en = "the corrections can't be taken: {problems}"
    zh = "无法接受更正：{problems}"
    remedy_en = "correct the named rows or columns of the file; nothing was changed"
    remedy_zh = "请更正文件中指出的行或列；未作任何修改"


class NothingToReplay(HubError):
    """No row of the batch waits for a replay."""

    code = "HUB-QUA-003"
    en = "the batch {batch} has no quarantined row that waits for a replay"
    zh = "批次 {batch} 没有等待重放的隔离行"
    remedy_en = (
        "fix rows first (`hub quarantine fix {batch} --file FILE --operator NAME --reason WHY`), or replay all open ones "
        "after a contract change with --all"
    )
    remedy_zh = "请先修正（`hub quarantine fix {batch} --file 文件 --operator 姓名 --reason 理由`），或在契约变更后用 --all 重放全部未处理行"


class SheetUnreadable(HubError):
    """The edited file is not a CSV or XLSX that can be read."""

    code = "HUB-QUA-004"
    en = "the file {file} can't be read as an export: {reason}"
    zh = "无法将文件 {file} 读作导出表：{reason}"
    remedy_en = "edit a .csv or .xlsx that `hub quarantine export BATCH --to FILE` wrote and keep its first row and first three columns"
    remedy_zh = "请编辑 `hub quarantine export 批次号 --to 文件` 导出的 .csv 或 .xlsx 文件，并保留首行及前三列"


class SheetUnwritable(UsageError):
    """An export can't be written where it was asked for."""

    code = "HUB-QUA-006"
    en = "the export can't be written to {path}: {reason}"
    zh = "无法将导出表写入 {path}：{reason}"
    remedy_en = "give --to a file ending in .csv or .xlsx in a folder that exists and that you may write to"
    remedy_zh = "请用 --to 指定以 .csv 或 .xlsx 结尾的文件，其所在文件夹须已存在且可写"


class QuarantineRowUnknown(HubError):
    """The batch has no such row in quarantine."""

    code = "HUB-QUA-005"
    en = "the batch {batch} has no row {row} in quarantine"
    zh = "批次 {batch} 的隔离区中没有第 {row} 行"
    remedy_en = "`hub quarantine list --batch {batch}` shows the rows"
    remedy_zh = "`hub quarantine list --batch {batch}` 列出隔离行"


class ReceiptMissing(HubError):
    """The batch has no receipt of that version."""

    code = "HUB-BAT-007"
    en = "the batch {batch} has no receipt {version}"
    zh = "批次 {batch} 没有第 {version} 版回执"
    remedy_en = "a receipt is made when a batch is loaded, held or refused: `hub batch show {batch}` says how far it is"
    remedy_zh = "批次入库、挂起或拒收后才有回执：`hub batch show {batch}` 可查看进度"


class CursorRefused(HubError):
    """A cursor can't be set to what was asked."""

    code = "HUB-BAT-008"
    en = "the cursor of {feed}, source {source}, can't be set: {reason}"
    zh = "无法设置 {feed} 来源 {source} 的游标：{reason}"
    remedy_en = "give --to the value of a row's cursor field as JSON, or --reset to have everything read again"
    remedy_zh = "请用 --to 以 JSON 给出游标字段的值，或用 --reset 重新读取全部"


class TopicPartitionsFixed(HubError):
    """A contract asks for other partitions than its topic was made with; keys would land elsewhere and lose their order."""

    code = "HUB-OUT-001"
    en = "the topic {topic} was made with {found} partitions; the contract now says {expected}"
    zh = "主题 {topic} 创建时有 {found} 个分区，契约现在写的是 {expected} 个"
    remedy_en = "partitions are never changed within a major version: set hub.partitions back to {found}, or name a topic of the next major version (…v<n+1>)"
    remedy_zh = "同一主版本内不得变更分区数：请将 hub.partitions 改回 {found}，或改用下一主版本的主题（…v<n+1>）"


class LaneNotDrained(TransientError):
    """A contract moves its topic to another lane while entries of the topic wait in the present one."""

    code = "HUB-OUT-002"
    en = "the topic {topic} can't go from the lane {was} to {to} yet: {waiting} entries wait, and would be overtaken"
    zh = "主题 {topic} 暂不能从通道 {was} 转到 {to}：还有 {waiting} 项待发，否则会被后来者超越"
    remedy_en = (
        "let the relay send them (`hub relay run --once --lane {was}`), then run again; or set hub.lane back to {was}"
    )
    remedy_zh = "请先由转发发送（`hub relay run --once --lane {was}`）后重试；或将 hub.lane 改回 {was}"


class TopicNotCompared(TransientError):
    """The database was restored, and what the feed's topic holds beyond it is not known yet."""

    code = "HUB-OUT-003"
    en = "nothing is done with the feed {feed} yet: the database was restored from a backup, and its topic {topic} was not read since, so nobody knows which revisions subscribers already have"
    zh = "数据源 {feed} 暂不处理：数据库曾从备份恢复，其主题 {topic} 此后尚未读取，无法确定订阅方已收到哪些修订"
    remedy_en = (
        "the relay reads it by itself within seconds where it runs, `hub relay run --once` does it now; then run again"
    )
    remedy_zh = "转发服务运行时会在几秒内自动读取，也可用 `hub relay run --once` 立即读取；然后重试"


class NothingLoaded(HubError):
    """A feed has no table: no batch of it was ever loaded."""

    code = "HUB-TAB-002"
    en = "no batch of {feed} was ever loaded: it has no state yet"
    zh = "数据源 {feed} 尚未入库任何批次，没有可用的当前状态"
    remedy_en = "run it first: `hub feed run {feed}`; a reader needs no snapshot then, its topic holds everything"
    remedy_zh = "请先运行 `hub feed run {feed}`；此时订阅方无需快照，主题中已有全部事件"
