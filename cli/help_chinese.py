"""The help of the command line in Chinese: by command, by option, or by both.

The English help stands with each command. Its examples are shown under the Chinese text as they are.
"""

COMMANDS = {
    "": """运行和使用块数据池：各部门共同共享、排序并证明的记录。

    结果写到标准输出，提示与进度写到标准错误；各命令均有 --json，供程序使用。""",
    "audit": "核验整条链：每个哈希与签名、谁读过什么、每项裁决。",
    "audit chain": """重新计算并核验一切：自第 0 块起的每个哈希、签名、证书、根与结果。合约也重新执行，
    因此需要与网络相同的合约引擎。

    HOME 为已停止的节点的目录；URL 为运行中节点的接口。给出 --work 时，中断的审计可续，
    已完成的审计只核验其后新增的区块。

    记录分别计为：正文已核验；仅核验哈希（正文已删除、被驳回、由其他节点保存或缺失）；与签署不符。有记录缺失或不符，
    或任何一处不成立，退出码为 1，并指出首个高度与原因。""",
    "audit compare": """找出两个节点首次不同的高度，以及不同之处：区块字段、交易、正文、结果。比较的是目录时，
    状态数据库也一并比较。

    本命令不判断谁对：请用 blockpool audit chain。仅仅较短的链不算不同。有不同则退出码为 1。""",
    "audit reads": """列出谁申请读取什么、用途为何、由哪份合约如何裁决、谁作了答复、实际读了什么。

    一并核验整条链，含合约。给出 --proof（须为 URL 并指定 --dataset）时只取读取记录本身，
    并以最新区块状态中的计数证明无遗漏。
    两种方式都以创世文件在本机核验，不信任节点。有不成立之处则退出码为 1。""",
    "audit replay": """离线重新作出每项裁决，并与链上比较：裁决、理由、燃料、输入。

    给出 --with 与 --contract 时，以当时的事实询问拟议合约，列出谁会获准、谁会失去许可。""",
    "audit report": """审计一条链，并写出中英文报告：一个 HTML 文件，断网可看，可按 A4 打印。

    报告首先说明哪些成立、哪些不成立；有缺失或不符则退出码为 1。""",
    "contract": "编写、检查和测试访问合约：用 Python 决定谁可读取数据集。",
    "contract check": "检查合约 FILE 能否部署：大小、语法、can_read(request, dataset, ctx)、能否在沙箱中运行。",
    "contract deploy": """部署合约 FILE，或更新它：此后由新版本裁决。

    先在本机沙箱中检查；有错则指出所在行，且不发送。数据集以 blockpool dataset define --contract 指定合约。""",
    "contract library": "列出现成的合约，或显示 NAME 的源文，可直接部署或据以改写。",
    "contract list": "列出已部署的合约。",
    "contract show": "显示已部署合约 ID：版本、参数与源文。",
    "contract test": """在沙箱中以 CASES.json 的每个用例运行合约 FILE。有一例结果不同则退出码为 1。

    合约打印的内容仅在此显示。""",
    "correct": """更正 RECORD（交易/序号）：提交新记录，注明理由与依据，并与原记录相互指明。

    原记录此后在每份证明、读取和页面中显示为已更正。读过原记录者一并列出，并证明无遗漏。""",
    "dataset": "登记数据集，查看目录。",
    "dataset define": """登记数据集 ID（OWNER.NAME），或更新其条目：未给出的项保持不变。

    无条件共享的数据集，记录对全体成员可见；有条件共享的予以密封，由其合约决定谁可读；不予共享的予以密封，
    仅所有者可读。

    有条件共享的须载明 --scope 和 --use，不予共享的须载明 --legal-basis，并以 --conditions 说明理由；
    数据模式标有个人信息的，须载明 --impact-assessment。缺少的，验证节点不予登记。

    字段表可由 blockpool dataset infer 从数据文件生成。

    密封的数据包整包开启，除非以 --column 或 --by-record 说明粒度：申请于是可列明字段或记录，
    且只开启所授权的部分。对此后提交的数据包有效。""",
    "dataset export": "将目录导出为 DCAT-AP（JSON-LD），供其他目录系统汇聚。",
    "dataset infer": """由记录文件 FILE 生成字段表建议；不发送任何数据。

    建议可容纳文件中的全部记录。有前导零的、等长的代码和过长的数字保留为文本。全部取值均符合的，
    识别为身份证号、统一社会信用代码、电话、日期或时间；疑似个人信息的予以标记。请核对后再登记。""",
    "dataset list": "列出目录，以及各数据集的数量。",
    "dataset show": "显示数据集 ID 的目录条目与数据模式。",
    "demo": """演示：四个部门经由数据池共享一周真实的航班、气象、航空器与机场数据。

    每项所述均经核验，有不成立则退出码为 1。须有源码目录（examples）。""",
    "disclose": """导出证明：RECORD（交易/序号）的某些字段写着什么，供无权读取该记录者使用。

    对方仅凭创世文件离线核验，不会得知记录的其他内容。以 --commitments whole 提交的数据包不要给出 --field：
    其记录只能整体出示。""",
    "erase": """由数据集所有者删除一个数据包或其中若干条记录。ID 为交易标识即删除整包，为“交易标识/序号”即只删该条记录。
    每个节点均删去其内容，文件中也不留存。不可撤销。

    删除整包时，密钥份额一并删去；只删若干条记录时，同一数据包的其他记录照常可读、可证明。

    谁在何时共享、记录的哈希、谁读过，以及本次删除及其依据，仍可证明。读者手中的副本、
    由其衍生的数据包和备份不受影响。""",
    "forget": """在本部门记录恰有此主键的全部数据集中，删除该主键的每一条记录（现行及以往）：
    以 FIELD=VALUE 给出主键的各字段。先列出，并证明别无遗漏。

    主键不同或没有主键的数据集予以列名，不作查找。中断后再次运行即可，已删除的不再重复。公开记录的主键以哈希形式留存于数据包头部。""",
    "evidence": """导出独立的证明文件：关于一条记录、一次读取，或某事未曾发生。

    文件写出前先经核验。任何人可用 blockpool verify 离线核验。""",
    "evidence misbehaviour": """导出以成员自己的签名证明其违规的全部文件：互相矛盾的投票、两段历史的检查点。
    逐一询问各节点。""",
    "evidence no-grant": "证明 MEMBER 在某段高度内从未获准读取 DATASET。曾获准则拒绝出具。",
    "evidence no-read": """证明在某段高度内无人报告读取过 RECORD 或该数据包。有人读过则拒绝出具。
    读取报告以数据包为单位。""",
    "evidence read": "证明申请 REQUEST：谁为何申请读取什么、如何裁决、谁批准、报告读取了什么。",
    "evidence record": """证明 RECORD（交易/序号）的来历：谁签署、何时由哪些验证者排序、依据哪个数据集、
    数据模式与合约；以及此后是否删除、谁读过、衍生了什么。""",
    "find": """查找 DATASET 中某一主键的现行记录：VALUE 为各主键字段的值，按数据模式所列次序给出。

    没有更新的记录，或该主键没有记录，均以最新区块的状态证明；没有记录则退出码为 1。密封记录的主键经遮蔽，
    持有所有者密钥者方可查找。""",
    "genesis": "以各成员的公开档案创建网络。",
    "genesis check": "检查创世文件 FILE，并显示其创始成员。请与其他成员核对链标识。",
    "genesis create": """用成员交来的 MEMBER.json 制作创世文件。不需要私钥。

    文件写明本机的合约引擎：所有验证者须运行同一引擎。""",
    "keys": "生成和查看私钥。",
    "keys new": """在 FILE 中生成私钥：PKCS#8 PEM，权限 0600。已有文件不会被覆盖。

    默认为签名用的 Ed25519 密钥；给出 --reader 则为读取用的混合 KEM 密钥（ML-KEM-768 与 X25519）。""",
    "keys show": "显示 FILE 中私钥的公钥与密钥标识。",
    "member": "制作成员的密钥与公开档案；查看与更换成员的密钥。",
    "member keys": "显示成员 NAME 的密钥：各作何用，在哪些高度可以签署。自创世文件证明。",
    "member new": """在成员自己的机器上制作成员 NAME：密钥、公开档案与节点目录。

    私钥不离开该目录。只需交出 member.json，用于创世文件。""",
    "member rotate": """登记本成员的新系统密钥 FILE（以 blockpool keys new 制作），停用丢失或被盗的密钥。
    --key 为治理密钥；治理密钥本身丢失或被盗的，用继任密钥。

    新密钥自下一区块起可签署。停用的密钥在本次变更所在区块之后不得再签署；此前所签仍然有效，可长期证明。
    无须其他成员同意。""",
    "network": "建立本机网络；查看网络的所有节点。",
    "network init": """在 DIR 中建立本机试用网络：密钥、创世文件，每个成员一个目录。

    节点端口自 --base-port 起，接口端口加一千。真实网络中任何人看不到他人的密钥：见 member new 与 genesis create。""",
    "network status": """询问创世文件所列的每个节点的状况，未就绪的说明原因。

    在该链上就绪且投票的验证者不足法定多数，退出码为 1。""",
    "node": "运行节点；查询节点状况。",
    "node run": "运行目录为 HOME 的节点，直至 SIGTERM 或 Ctrl-C。日志写到标准错误。",
    "node status": "显示 URL 处节点的状况：高度、视图、主节点、对等节点、队列。",
    "provenance": """显示 RECORD（交易/序号）的来源、谁用过、衍生了什么。

    每一步均自创世文件核验，并证明至最新区块没有遗漏。已删除的会注明；无节点可证明的也会注明，此时退出码为 1。""",
    "read": """读取 DATASET：申请、等待批准、打开记录、写出，并报告读取了什么。

    被拒绝或仍待答复则退出码为 1：答复后以 --request 继续。无条件共享的数据集无需申请。""",
    "request": "申请读取数据集，答复申请，查看进展。",
    "request approve": """作为被征询的成员批准申请 ID。

    合约将据此再次裁决：可能还须更多成员批准。""",
    "request list": "按链上次序列出申请。",
    "request new": """申请读取 DATASET，并显示其访问合约的裁决。

    获准或已征询成员，退出码为 0；被拒绝为 1。两种情况均记入链上。""",
    "request refuse": "作为被征询的成员拒绝申请 ID。",
    "request revoke": """收回对申请 ID 的许可：批准者、数据集所有者或申请人均可。

    此后验证者不再给出密钥份额。此前已读的不受影响。""",
    "request show": "显示申请 ID：申请了什么、由哪份合约如何裁决、各方答复、读取了什么。",
    "show": "按节点所述显示区块、交易或记录。如需证明，见 evidence 与 audit。",
    "show block": "显示高度 HEIGHT 的区块，默认最新。",
    "show record": "显示记录 ID（交易/序号）及其位置。",
    "show transaction": "显示交易 ID 的位置与内容。",
    "submit": """共享 FILE（.csv、.tsv、.xlsx、.parquet、.ndjson、.jsonl 或 .json）的记录，并核验每个数据包的回执。

    先按数据模式检查整个文件：逐条指出有误记录的行号，且不发送。中断了，或文件增加了？再次运行即可：只共享新增部分，
    不会重复。
    文件夹 FILE.DATASET.POOL.journal 记住已共享的内容。

    FILE 为 - 时读标准输入，须给出 --format，并以 --journal 指定记录已共享内容的文件夹：中断后重发或内容增加时，
    只共享新增部分。不指定时，只能识别无条件共享的数据包。

    非无条件共享的数据集，记录在离开本机前即予密封。

    表格的单元格按数据模式转换（整数、数值、布尔、文本），数字逐位照录；允许空值处，空单元格与 --null 所列文本为空值。

    记录由其他记录衍生的，请用 --derived-from 注明。""",
    "verify": """仅凭创世文件核验任何一种证明文件 FILE：不联网，不询问、不信任任何节点。

    逐步编号显示，首个不成立之处即止，退出码为 1。全部成立后说明文件证明了什么。""",
    "watch": """向 URL 处的节点（默认创世文件所列全部）索取最新检查点，核对各节点所述为同一历史，
    且延续 --file 中已有的检查点。

    反复查看，直至发现问题。报警时退出码为 1，您的文件保持不变，可证明违规的内容写成证明文件。""",
}

OPTIONS = {
    "--again": "不论此前共享过什么，将全部记录再共享一次。",
    "--api": "其 HTTP 接口。",
    "--base-port": "首个节点端口。",
    "--batch": "每个数据包的记录数。",
    "--case-number": "所办案件的编号。",
    "--checkpoint": "您持有的检查点（blockpool watch）：须有法定多数副署。",
    "--commitments": "密封记录日后可出示什么：整条，或单个字段（限 JSON 对象）。",
    "audit replay --contract": "拟取代的已部署合约。",
    "dataset define --column": """一并开启、且可不与其他字段一并开启的字段；可重复。模式中未列入的字段自成一列。""",
    "dataset define --by-record": "每条记录是否可单独开启。",
    "dataset define --no-columns": "此后所有字段一并开启。",
    "dataset define --contract": "决定谁可读取的访问合约；须为您所部署。",
    "audit reads --dataset": "只看对该数据集的读取。",
    "request list --dataset": "只看对该数据集的申请。",
    "submit --dataset": "记录所属的数据集。",
    "--delimiter": "CSV 字段分隔符；不给出则自行识别。",
    "--depth": "自该记录起向两端追溯的步数。",
    "--derived-from": "所由衍生的记录（交易/序号）；可重复，至多 256 个。",
    "--dir": "网络所用文件夹，新建或为空；保留不删。[默认：临时文件夹，用后删除]",
    "forget --dataset": "只在此数据集中查找；可重复。",
    "forget --dry-run": "列出将删除的记录，不作删除。",
    "forget --legal-basis": "删除所依据的法律或命令；留存于链上。",
    "--dry-run": "只检查文件，列出全部问题，不发送。",
    "--encoding": "文本文件的编码，如 gb18030；不给出则自行识别。",
    "keys new --encrypt": "以口令加密（BLOCKPOOL_PASSPHRASE，或输入）。",
    "--encrypt": "以口令加密私钥（BLOCKPOOL_PASSPHRASE，或输入）。",
    "--evidence-folder": "报警后证明文件写到何处。",
    "read --record": "只要该记录；用于按记录开启的数据集；可重复。",
    "request new --record": "只要该记录；用于按记录开启的数据集；可重复。",
    "--record-key": "只要该键的记录（48 位十六进制数，见 blockpool find）；可重复。",
    "read --field": "只要该字段；用于按列开启的数据集，须列全各列的字段；可重复。",
    "request new --field": "只要该字段；用于按列开启的数据集，须列全各列的字段；可重复。",
    "--field": "要出示的字段；可重复。其余保持隐藏。",
    "--file": "您的检查点：核验后由延续它的新检查点取代。首次查看时生成。",
    "--for-me": "只看待您答复的：指 --key 或 --member 的成员。",
    "--format": "写出的格式；默认依文件名，标准输出为 ndjson。",
    "--from": "范围的首块。",
    "--from-height": "只看该高度及以后的数据包。",
    "--genesis": "网络的创世文件，一切据以核验。[环境变量：BLOCKPOOL_GENESIS]",
    "--in-flight": "同时在途的数据包数；默认以网络不空闲为度。为 1 则节点故障时也保持次序。",
    "--interval": "两次查看的间隔。",
    "--jobs": "分担工作的进程数。",
    "--journal": "记录该文件已共享内容的文件夹，默认在文件旁。读标准输入时，指定后方可续传。",
    "--json": "输出 JSON，供程序使用。",
    "node run --json": "日志写成 JSON，每行一个对象。",
    "--keep": "保留网络运行，并提示下一步可试什么。",
    "--key": "签名私钥，PKCS#8 PEM，权限 0600。[环境变量：BLOCKPOOL_KEY]",
    "request list --key": "您的私钥。[环境变量：BLOCKPOOL_KEY]",
    "--kind": "政府部门、企业、社会组织、公共机构。",
    "--lang": "提示与帮助所用语言；默认依 LANG。",
    "correct --legal-basis": "更正所依据的法律、命令或认定；留存于链上。",
    "dataset define --legal-basis": "共享所依据的法律或规定。",
    "--key-secret": "遮蔽密封记录主键的密钥文件。",
    "find --out": "将记录的证明写到此文件。",
    "erase --legal-basis": "删除所依据的法律或命令；留存于链上。",
    "--legal-basis": "申请所依据的法律或规定。",
    "--library": "部署合约库中的此合约；不给出 FILE。",
    "--limit": "总共查看多少数据包。",
    "--member": "签署的成员；仅当创世文件未列出该密钥时需要。[环境变量：BLOCKPOOL_MEMBER]",
    "--members": "名称，以逗号分隔。各运行一个验证者。",
    "contract deploy --name": "在池中的标识。",
    "network init --name": "网络名称，供人阅读。",
    "--network": "网络名称，供人阅读。",
    "--no-contracts": "不含合约的网络：不能密封，也不能申请。",
    "--no-node": "没有节点，使用他人的节点。",
    "--follow": "持续将新增记录写到标准输出，直至您中断。",
    "read --since": "只读该区块之后新增的记录：即上次读取所示的 cursor。",
    "--no-report": "不在链上报告读取了什么。",
    "--node": """节点接口；给出多个可防其一失效。[环境变量：BLOCKPOOL_NODE；默认：创世文件所列，
    否则 http://127.0.0.1:8000]""",
    "--null": "表示空值的单元格文本；可重复。",
    "--observer": "其节点只跟随，不投票。",
    "--once": "只查看一次。",
    "--out": "要写出的文件。",
    "dataset define --summary": "摘要：数据集包含什么。",
    "dataset define --contact": "联系方式。",
    "dataset define --update-cycle": "更新周期。",
    "dataset define --theme": "目录分类，例如 公共安全/户籍。",
    "dataset define --grade": "数据分级：一般数据、重要数据、核心数据。",
    "dataset define --format": "所有者保存数据的格式。",
    "dataset define --method": "共享方式：服务接口、批量交换或文件下载。",
    "dataset define --scope": "共享范围。有条件共享的必填。",
    "dataset define --use": "使用用途。有条件共享的必填。",
    "dataset define --conditions": "使用条件；不予共享的必填，说明理由。",
    "dataset define --impact-assessment": "个人信息保护影响评估的文号或编号。含个人信息的必填。",
    "dataset define --source": "数源部门，由其他部门采集的填写。",
    "dataset export --out": "写出的文件；不给出则写到标准输出。",
    "correct --format": "文件的格式；文件名未以其结尾时须给出，如标准输入。",
    "dataset infer --format": "文件的格式；文件名未以其结尾时须给出，如标准输入。",
    "submit --format": "文件的格式；文件名未以其结尾时须给出，如标准输入。",
    "dataset infer --out": "将字段写成表格（.xlsx、.csv）或 JSON Schema。",
    "evidence misbehaviour --out": "文件所在文件夹；不存在则新建。",
    "genesis create --out": "新的创世文件。",
    "member new --out": "新文件夹。",
    "read --out": "要写出的文件；不给出则写到标准输出。",
    "--overdue-days": "申请待答复多少天后，报告列为逾期。",
    "audit replay --parameters": "拟议合约的 JSON 参数；默认沿用已部署合约的参数。",
    "contract check --parameters": "部署时将使用的 JSON 参数。",
    "contract deploy --parameters": "合约在 ctx.parameters 中得到的 JSON 对象。",
    "audit reads --parcel": "只看针对该数据包的申请与读取报告。",
    "--parcel": "只限该数据包；可重复。",
    "--peer": "其他节点如何连到本节点。",
    "member rotate --person": "作出决定的人；留存于链上。",
    "--person": "负责人。",
    "--proof": "不遍历全链：以数据集的计数证明列表无遗漏。",
    "--prov": "另以 W3C PROV-JSON 写入此文件。",
    "audit reads --purpose": "只看用途含此文本的。",
    "--purpose": "数据的用途，简述。",
    "audit reads --reader": "只看该成员的读取；从未获准也会说明。",
    "keys new --reader": "读取用的密钥，而非签名密钥。",
    "request list --reader": "只看该成员的申请。",
    "--reader-key": "打开所读内容的私钥。[环境变量：BLOCKPOOL_READER_KEY；默认：签名私钥旁的 reader.pem]",
    "correct --reason": "何处有误，简述；同样留存于链上。",
    "forget --reason": "补充说明，简述；同样留存于链上。",
    "erase --reason": "补充说明，简述；同样留存于链上。",
    "member rotate --reason": "原因，简述；同样留存于链上。",
    "--reason": "理由；随答复留存于链上。",
    "--record": "只看含该记录（交易/序号）的数据包的读取。",
    "disclose --request": "涵盖它的已获准申请。",
    "read --request": "依据此前提出的该申请读取。",
    "--resync": "将数据库移置一旁，重新从其他节点取得一切。",
    "--retire": "要停用的系统密钥的标识；可重复。",
    "--role": "访问合约可引用的职能，如 statistics。",
    "--schema": "每条记录须符合的要求：字段表（.xlsx、.csv）或 JSON Schema。",
    "--sealed": "必须密封：拒绝在无条件共享的数据集中共享。",
    "--sharing": "共享类别：无条件共享、有条件共享、不予共享。新数据集默认无条件共享。",
    "--sheet": "工作簿的工作表；有多张含数据时需要。",
    "--since": "只看自该日起的（北京时间）。",
    "--source": "只输出部署时的源文。",
    "--status": "只看处于该状态的。",
    "--successor": "下一继任密钥的私钥：由现继任密钥签署、接替治理密钥时必需。",
    "--svg": "另将图形写入此文件。",
    "dataset define --title-en": "英文标题；新数据集必填。",
    "--title-en": "英文名称。",
    "dataset define --title-zh": "中文标题；新数据集必填。",
    "--title-zh": "中文名称。",
    "--tsa": "时间戳服务（RFC 3161）；时间戳存为 FILE.tsr。",
    "--tsa-certificate": "PEM：该服务的根证书。",
    "audit reads --until": "只看至该日止的（北京时间）。",
    "--until": "范围的末块；默认最新。",
    "read --until": "申请的期限：日期（至北京时间当日终了），或带时区的时间。",
    "request new --until": "申请的期限：日期（至北京时间当日终了），或带时区的时间。",
    "--until-height": "只看该高度及以前的数据包。",
    "--validator": "其节点参与投票。[默认]",
    "--verdict": "只看现处于该状态的申请。",
    "--version": "显示版本并退出。",
    "network status --wait": "等待至法定多数就绪，至多若干秒。",
    "--wait": "等待被征询成员的时长。",
    "--with": "要就各申请试行的拟议合约。",
    "--witness": "其节点跟随并副署检查点，不投票。",
    "--witness-required": "须有多少见证者副署。",
    "--work": "记录审计进度的文件夹：再次运行时续作。",
    "--yes": "不再询问；与 --json 同用时必需。",
}
