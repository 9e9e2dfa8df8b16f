"""Errors of the exchange: brokers, topics, the relay and its position, events.

HubError
├── KafkaLoginRefused, KafkaForbidden, KafkaRequestRefused, ReaderNameInvalid, ReaderUnknown
├── TopicMissing, TopicRecreated, TopicDiffers, TopicUnknown
├── ClusterRebuilt, PositionExpired, PositionBehind, DatabaseRestored, OutboxGap, ChangeSetWrong
├── LaneUnknown, RebaseTargetUnknown
├── SnapshotTargetTaken, DeadLetterUnknown, DeadLetterSettled, DeadLetterGone
└── EventMalformed, RecordsRefused, WebhookKeyMissing
TransientError
└── BrokerUnreachable, BrokerFailed, ProducerFenced, TopicGone, LaneBusy, PublicationLate
"""

from __future__ import annotations

from typing import Any

from hub.errors import HubError, TransientError


class KafkaLoginRefused(HubError):
    """The brokers do not take the user or the password."""

    code = "HUB-EXC-001"
    en = "the Kafka brokers at {bootstrap} refuse the user {username}: {reason}"
    zh = "Kafka 代理 {bootstrap} 拒绝用户 {username}：{reason}"
    remedy_en = "check HUB_KAFKA_USERNAME, HUB_KAFKA_PASSWORD and HUB_KAFKA_SASL_MECHANISM"
    remedy_zh = "请检查 HUB_KAFKA_USERNAME、HUB_KAFKA_PASSWORD 与 HUB_KAFKA_SASL_MECHANISM"


class KafkaForbidden(HubError):
    """The brokers know the user but do not let it do this."""

    code = "HUB-EXC-002"
    en = "the Kafka user {username} may not do this: {reason}"
    zh = "Kafka 用户 {username} 无权执行此操作：{reason}"
    remedy_en = "grant the missing right; the hub's own user needs all rights on topics, groups and transactional ids named hub.*"
    remedy_zh = "请授予所缺权限；枢纽自身用户需要对 hub.* 主题、消费组与事务 ID 的全部权限"


class KafkaRequestRefused(HubError):
    """The brokers refuse a request for a reason that trying again does not mend."""

    code = "HUB-EXC-003"
    en = "the Kafka brokers refuse to {action}: {reason}"
    zh = "Kafka 代理拒绝执行 {action}：{reason}"
    remedy_en = "correct what the reason names, then run again"
    remedy_zh = "请按原因更正后重试"


class ReaderNameInvalid(HubError):
    """A reader of topics can't be called so."""

    code = "HUB-EXC-004"
    en = "{user} can't be the name of a reader: it is the hub's own, or not of 2 to 63 characters a-z, 0-9 and -"
    zh = "{user} 不能用作读取用户名：它是枢纽自用名，或不是 2 至 63 个 a-z、0-9、- 字符"
    remedy_en = "choose a name such as audit-office"
    remedy_zh = "请另取名称，例如 audit-office"


class ReaderUnknown(HubError):
    """No such user may read a topic, and none has a password."""

    code = "HUB-EXC-005"
    en = "the brokers know no reader {user}"
    zh = "Kafka 中没有读取用户 {user}"
    remedy_en = "`hub topic readers` shows who may read which topic"
    remedy_zh = "`hub topic readers` 列出各主题的读取用户"


class TopicMissing(HubError):
    """A topic that the hub made is not on the brokers any more."""

    code = "HUB-EXC-010"
    en = "the topic {topic} is gone from the brokers: somebody deleted it, with all its events"
    zh = "主题 {topic} 已从 Kafka 中消失：有人删除了它及其全部事件"
    remedy_en = "find out who deleted it; then `hub relay rebase {lane} --to first --operator NAME --reason WHY` makes it anew and sends what the outbox still holds"
    remedy_zh = "请查明删除者；然后用 `hub relay rebase {lane} --to first --operator 姓名 --reason 理由` 重建主题并重发发件箱中仍保存的事件"


class TopicRecreated(HubError):
    """The topic on the brokers is not the one that the hub made."""

    code = "HUB-EXC-011"
    en = "the topic {topic} is not the one the hub made: UUID {found} where {noted} is noted; it was deleted and made anew"
    zh = "主题 {topic} 不是枢纽创建的：UUID 为 {found}，记录为 {noted}；它被删除后重建"
    remedy_en = "its former events are lost: `hub relay rebase {lane} --to first --operator NAME --reason WHY` accepts the new topic and sends what the outbox still holds"
    remedy_zh = "原有事件已丢失：`hub relay rebase {lane} --to first --operator 姓名 --reason 理由` 接受新主题并重发发件箱中仍保存的事件"


class TopicDiffers(HubError):
    """The topic's partitions are not those agreed; keys would land elsewhere and lose their order."""

    code = "HUB-EXC-012"
    en = "the topic {topic} has {found} partitions where {expected} are agreed"
    zh = "主题 {topic} 有 {found} 个分区，约定为 {expected} 个"
    remedy_en = "partitions are never changed within a major version: make a new major version of the contract (topic …v<n+1>), or restore the partitions"
    remedy_zh = "同一主版本内不得变更分区数：请升级契约主版本（主题 …v<n+1>），或恢复分区数"


class TopicUnknown(HubError):
    """The hub knows no such topic."""

    code = "HUB-EXC-013"
    en = "there is no topic {topic}{near}"
    zh = "没有主题 {topic}{near}"
    remedy_en = "`hub topic list` shows the topics"
    remedy_zh = "`hub topic list` 列出全部主题"

    def __init__(self, **facts: Any) -> None:
        super().__init__(**{"near": "", **facts})


class ClusterRebuilt(HubError):
    """The brokers are another cluster than the one the lane was sent to."""

    code = "HUB-EXC-020"
    en = "the lane {lane} was sent to the cluster {noted}, but the brokers are the cluster {found}: it was rebuilt, or HUB_KAFKA_BOOTSTRAP points elsewhere"
    zh = "通道 {lane} 此前发往集群 {noted}，而当前代理属于集群 {found}：集群被重建，或 HUB_KAFKA_BOOTSTRAP 指向了别处"
    remedy_en = "if the address is right, `hub relay rebase {lane} --to first --operator NAME --reason WHY` makes the topics on this cluster and sends what the outbox still holds; --to noted goes on where the old cluster stood"
    remedy_zh = "若地址无误，`hub relay rebase {lane} --to first --operator 姓名 --reason 理由` 在此集群上建立主题并重发发件箱中的事件；--to noted 则从旧集群的位置继续"


class PositionExpired(HubError):
    """Kafka has forgotten the lane's position and PostgreSQL's note can't prove where it stood."""

    code = "HUB-EXC-021"
    en = "Kafka holds no position of the lane {lane} (expired after {retention_hours} hours of silence, or deleted), and entry {seq} may have been sent in part"
    zh = "Kafka 中没有通道 {lane} 的位置（静默 {retention_hours} 小时后过期，或被删除），第 {seq} 项可能已部分发送"
    remedy_en = "`hub relay rebase {lane} --to noted --operator NAME --reason WHY` sends from the position that PostgreSQL noted; events sent twice carry the same ce_id"
    remedy_zh = "`hub relay rebase {lane} --to noted --operator 姓名 --reason 理由` 从 PostgreSQL 记录的位置发送；重复事件的 ce_id 相同"


class PositionBehind(HubError):
    """Kafka's position is behind the one noted after a commit: the brokers lost what they had confirmed."""

    code = "HUB-EXC-022"
    en = "Kafka's position of the lane {lane} is {found}, behind {noted} that was noted after a commit: the brokers lost confirmed events"
    zh = "通道 {lane} 在 Kafka 中的位置为 {found}，落后于提交后记录的 {noted}：代理丢失了已确认的事件"
    remedy_en = "find out what the brokers lost; `hub relay rebase {lane} --to {found} --operator NAME --reason WHY` sends everything after Kafka's position again"
    remedy_zh = "请查明代理丢失的内容；`hub relay rebase {lane} --to {found} --operator 姓名 --reason 理由` 重发 Kafka 位置之后的全部事件"


class DatabaseRestored(HubError):
    """PostgreSQL holds another entry under the number that Kafka confirmed: it was restored from a backup."""

    code = "HUB-EXC-023"
    en = "Kafka confirmed entry {seq} of the lane {lane} as {confirmed}, but PostgreSQL holds {found} there: the database was restored from a backup"
    zh = "Kafka 已确认通道 {lane} 第 {seq} 项为 {confirmed}，而 PostgreSQL 中为 {found}：数据库曾从备份恢复"
    remedy_en = "`hub relay rebase {lane} --operator NAME --reason WHY` sends from the oldest entry that this database does not know as published; events sent twice carry the same ce_id"
    remedy_zh = "`hub relay rebase {lane} --operator 姓名 --reason 理由` 从本数据库未确认发布的最早一项开始发送；重复事件的 ce_id 相同"


class OutboxGap(HubError):
    """An entry that must be sent is not in the outbox."""

    code = "HUB-EXC-024"
    en = "the outbox of the lane {lane} has no entry {seq}, though later ones wait: somebody removed it"
    zh = "通道 {lane} 的发件箱缺少第 {seq} 项，而其后仍有待发项：有人删除了它"
    remedy_en = (
        "restore the entry, or go on after it with `hub relay rebase {lane} --to {found} --operator NAME --reason WHY`"
    )
    remedy_zh = "请恢复该项，或用 `hub relay rebase {lane} --to {found} --operator 姓名 --reason 理由` 从其后继续"


class ChangeSetWrong(HubError):
    """A change set does not hold what its outbox entry says."""

    code = "HUB-EXC-025"
    en = "the change set {path} of entry {seq} in the lane {lane} can't be sent: {reason}"
    zh = "通道 {lane} 第 {seq} 项的变更集 {path} 无法发送：{reason}"
    remedy_en = "restore the file from a copy; the lane goes on by itself"
    remedy_zh = "请从备份恢复该文件，通道会自动继续"


class LaneUnknown(HubError):
    """There is no such lane."""

    code = "HUB-EXC-026"
    en = "there is no lane {lane}"
    zh = "没有通道 {lane}"
    remedy_en = "`hub relay status` shows the lanes"
    remedy_zh = "`hub relay status` 列出全部通道"


class RebaseTargetUnknown(HubError):
    """The place to send from is not in the outbox."""

    code = "HUB-EXC-027"
    en = "the lane {lane} can't be sent from {target}: {reason}"
    zh = "通道 {lane} 无法从 {target} 开始发送：{reason}"
    remedy_en = "give --to noted, oldest, first, end, or SEQ[:RECORD] of an entry that `hub relay status` shows"
    remedy_zh = "请用 --to noted、oldest、first、end 或 `hub relay status` 中的 序号[:记录号]"


class EventMalformed(HubError):
    """A message is not a CloudEvent in Kafka binary binding."""

    code = "HUB-EXC-030"
    en = "the message at {place} is no CloudEvent: {reason}"
    zh = "位于 {place} 的消息不是 CloudEvent:{reason}"
    remedy_en = "only the relay writes to the hub's topics: find out who else did, and take the right away"
    remedy_zh = "只有转发可写入枢纽主题：请查明写入者并收回其权限"


class RecordsRefused(HubError):
    """The client or the brokers refuse one or more records as such; the relay finds out which."""

    code = "HUB-EXC-031"
    en = "the brokers refuse a record: {reason}"
    zh = "Kafka 拒绝一条记录：{reason}"
    remedy_en = "the record's dead letter on hub.dead.letters.v1 names it; correct its source and deliver it again"
    remedy_zh = "hub.dead.letters.v1 中的死信指明该记录；请更正其来源后重新报送"


class WebhookKeyMissing(HubError):
    """A webhook is named without the key that signs what it gets."""

    code = "HUB-EXC-032"
    en = "HUB_ALARM_WEBHOOK is set, HUB_ALARM_WEBHOOK_KEY is not: nothing is sent unsigned"
    zh = "已设置 HUB_ALARM_WEBHOOK，未设置 HUB_ALARM_WEBHOOK_KEY：不发送未签名的通知"
    remedy_en = "set HUB_ALARM_WEBHOOK_KEY to the key that the receiver checks the signature with"
    remedy_zh = "请将 HUB_ALARM_WEBHOOK_KEY 设为接收端用于验签的密钥"


class BrokerUnreachable(TransientError):
    """No broker answers."""

    code = "HUB-EXC-040"
    en = "no Kafka broker answers at {bootstrap}: {reason}"
    zh = "Kafka 代理 {bootstrap} 没有响应：{reason}"
    remedy_en = "`hub stack status` says whether the broker runs, `hub stack up` starts it; check HUB_KAFKA_BOOTSTRAP"
    remedy_zh = "`hub stack status` 显示代理是否运行，`hub stack up` 可启动；请检查 HUB_KAFKA_BOOTSTRAP"


class BrokerFailed(TransientError):
    """A request to the brokers failed; another try may succeed."""

    code = "HUB-EXC-041"
    en = "the Kafka brokers could not {action}: {reason}"
    zh = "Kafka 代理未能执行 {action}：{reason}"
    remedy_en = "nothing is lost: it is tried again; if it lasts, the broker's log says why"
    remedy_zh = "数据未丢失，将自动重试；若持续出现，请查看代理日志"


class ProducerFenced(TransientError):
    """Another producer took over the lane's transactional id."""

    code = "HUB-EXC-042"
    en = "another producer took over {transactional_id}"
    zh = "另一生产者接管了 {transactional_id}"
    remedy_en = "nothing to do: this relay closes its producer and competes for the lane again"
    remedy_zh = "无需处理：本转发进程将关闭生产者并重新竞争该通道"


class TopicGone(TransientError):
    """The brokers do not know a topic just now; the next look tells whether it was deleted."""

    code = "HUB-EXC-043"
    en = "the brokers do not know the topic just now: {reason}"
    zh = "代理暂时找不到主题：{reason}"
    remedy_en = "it is looked at again; if the topic was deleted, the relay says so"
    remedy_zh = "将再次检查；若主题已被删除，转发进程会报告"


class LaneBusy(TransientError):
    """Another process holds the lane."""

    code = "HUB-EXC-044"
    en = "another process relays the lane {lane}: {holder}"
    zh = "另一进程正在转发通道 {lane}：{holder}"
    remedy_en = "let it work, or stop it first"
    remedy_zh = "请等待其完成，或先停止该进程"


class PublicationLate(TransientError):
    """What was committed is not on its topic within the time given."""

    code = "HUB-EXC-045"
    en = "{waiting} outbox entries of {batches} batches are not on their topics after {seconds} s"
    zh = "{seconds} 秒后仍有 {batches} 个批次的 {waiting} 个发件箱项未发布"
    remedy_en = "`hub relay status` says why; nothing is lost, they are sent as soon as the relay runs"
    remedy_zh = "`hub relay status` 说明原因；数据未丢失，转发运行后即会发送"


class SnapshotTargetTaken(HubError):
    """The folder that a snapshot is to be written to exists already, or its parent does not."""

    code = "HUB-EXC-050"
    en = "the snapshot can't be written to {folder}: {reason}"
    zh = "无法将快照写入 {folder}：{reason}"
    remedy_en = "give --to a folder that does not exist yet, in one that does; a snapshot is never written over"
    remedy_zh = "请用 --to 指定一个尚不存在的文件夹，其上级须存在；快照不会被覆盖"


class GrantFileRefused(HubError):
    """The file that a reader's password is to be written to exists already, or can't be made."""

    code = "HUB-EXC-054"
    en = "the grant can't be written to {path}: {reason}; nothing was granted"
    zh = "无法将授权结果写入 {path}：{reason}；未作任何授权"
    remedy_en = "give --to a file that does not exist yet, in a folder that you may write to"
    remedy_zh = "请用 --to 指定一个尚不存在的文件，其文件夹须可写"


class DeadLetterUnknown(HubError):
    """There is no dead letter of this event."""

    code = "HUB-EXC-051"
    en = "there is no dead letter of the event {event}"
    zh = "没有事件 {event} 的死信"
    remedy_en = "`hub topic dead list --all` shows them all, by event id"
    remedy_zh = "`hub topic dead list --all` 按事件标识列出全部死信"


class DeadLetterSettled(HubError):
    """A dead letter was replayed or closed before."""

    code = "HUB-EXC-052"
    en = "the dead letter of {event} is {state}: nothing is to be done"
    zh = "事件 {event} 的死信状态为 {state}，无需处理"
    remedy_en = "`hub topic dead show {event}` says who did what with it"
    remedy_zh = "`hub topic dead show {event}` 可查看处理人与处理方式"


class DeadLetterGone(HubError):
    """The event that a dead letter points at can't be read any more."""

    code = "HUB-EXC-053"
    en = "the event {event} can't be sent again: {reason}"
    zh = "事件 {event} 无法重新发送：{reason}"
    remedy_en = (
        "have the record delivered again: its next revision says all that is lost; then"
        " `hub topic dead close {event} --operator NAME --reason TEXT`"
    )
    remedy_zh = (
        "请让报送方重新报送该记录，其下一修订即含所缺内容；然后"
        " `hub topic dead close {event} --operator 姓名 --reason 理由`"
    )
