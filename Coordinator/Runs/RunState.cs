using System.Text.Json;
using System.Text.Json.Serialization;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// What a coordinator writes down of a run, so that one that is started again in its place can take over its workers.
/// Whoever reads it can take part in the job, so nobody but the user may.
/// </summary>
internal sealed record RunState
{
    /// <summary>The format that is written. Format 1, which has no number, held every generation.</summary>
    public const int CurrentFormat = 2;

    /// <summary>Characters of a generation's reason that are kept; events.jsonl has all of it.</summary>
    public const int MaxReason = 300;

    /// <summary>Bytes of a file of format 2: <see cref="ClusterProtocol.KeptGenerations"/> generations, and as many workers as a plan can name.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Bytes of a file of format 1 that are read.</summary>
    private const int MaxBytesBefore = 64 << 20;

    /// <summary>The oldest version of the protocol whose runs can be continued; their workers cannot.</summary>
    private const int OldestVersion = 7;

    public int Format { get; init; } = 1;

    /// <summary>Version of the protocol that its workers speak.</summary>
    public required int Version { get; init; }

    /// <summary>Whether a former version of the protocol wrote the file. Those had no join tokens, and did not record whether the run had certificates.</summary>
    [JsonIgnore]
    public bool IsFormer { get; init; }

    public required string JobName { get; init; }

    public required string Host { get; init; }

    /// <summary>Address that it listens at; null for that of <see cref="Host"/>.</summary>
    public string? Bind { get; init; }

    public required int Port { get; init; }

    public required int LinkPort { get; init; }

    public required int MetricsPort { get; init; }

    /// <summary>Address that the metrics are served at; null for that of everything else.</summary>
    public string? MetricsBind { get; init; }

    public int PagePort { get; init; }

    /// <summary>Address that the live page is served at; null for loopback.</summary>
    public string? PageBind { get; init; }

    /// <summary>Names under which metrics and page are asked for, beside those that the machine has here.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Proves that a worker belongs to the job.</summary>
    public required byte[] Token { get; init; }

    /// <summary>The file with the join token that its processes hold; null where they have certificates.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Whether its workers come from elsewhere, and so outlive the coordinator.</summary>
    public required bool IsOpen { get; init; }

    public required int MinWorkers { get; init; }

    /// <summary>Whether a file of initial parameters must hold exactly the tensors of the model.</summary>
    public bool IsInitialStrict { get; init; } = true;

    /// <summary>When the first plan came into force; null before.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    public int Generation { get; init; }

    /// <summary>Generation of the last plan: in an inexact job, whoever was not there when it began may hold rounds that were rolled back.</summary>
    public int PlanGeneration { get; init; }

    /// <summary>The newest generations and why they began; <see cref="Generation"/> says how many there were.</summary>
    public IReadOnlyList<GenerationStart> Generations { get; init; } = [];

    /// <summary>Steps that had to be done again.</summary>
    public long StepsRedone { get; init; }

    public IReadOnlyList<string> Workers { get; init; } = [];

    /// <summary>What all workers agree on; null before the first was prepared.</summary>
    public WorkerFacts? Facts { get; init; }

    public RunState With(ClusterProtocol cluster) => this with
    {
        Generation = cluster.Generation,
        PlanGeneration = cluster.PlanGeneration,
        Generations = cluster.Generations,
        StepsRedone = cluster.StepsRedone,
        Workers = cluster.Plan is { } plan ? plan.Workers : Workers,
        Facts = cluster.Facts,
    };

    /// <summary>The protocol of a coordinator that takes up the run.</summary>
    /// <param name="job">What of the job decides its rounds.</param>
    /// <param name="startWith">Workers that a first plan waits for, where there was none yet.</param>
    /// <param name="isOpen">Whether workers may still come when all are gone.</param>
    /// <param name="recorded">Rounds that the run's files hold.</param>
    /// <param name="stored">The newest checkpoint that can be used; null where there is none.</param>
    public ClusterProtocol ToCluster(JobShape job, Topology topology, int startWith, bool isOpen, long recorded, StoredState? stored) => new()
    {
        Job = job,
        Topology = topology,
        StartWith = startWith,
        MinWorkers = MinWorkers,
        IsOpen = isOpen,
        Facts = Facts,
        Rounds = Facts is { } facts ? job.RoundsOf(facts) : null,
        Generation = Generation,
        PlanGeneration = PlanGeneration,
        Generations = [.. Generations],
        StepsRedone = StepsRedone,
        Reached = recorded,
        Stored = stored,
        Returning = [.. IsOpen ? Workers : []],
    };

    /// <summary>Writes it, on the disk when this returns.</summary>
    /// <exception cref="IOException">The disk is full, or the folder is gone.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public void Save(string path) => Save(LocalDisk.Instance, path);

    /// <summary>Writes it, on the disk when this returns.</summary>
    /// <exception cref="IOException">The disk is full, or the folder is gone.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written to.</exception>
    public void Save(IFileSystem files, string path) =>
        AtomicFile.Write(files, path, stream => JsonSerializer.Serialize(stream, Bounded(), RunJson.File), isPrivate: true);

    /// <exception cref="RunFolderException">There is none, or it is none.</exception>
    public static RunState Load(string path) => Load(LocalDisk.Instance, path);

    /// <exception cref="RunFolderException">There is none, or it is none.</exception>
    public static RunState Load(IFileSystem files, string path)
    {
        try
        {
            if (!files.FileExists(path)) throw new RunFolderException($"'{path}' does not exist: the folder holds no run that could be resumed. Give the folder of one with --run.");
            using var file = files.OpenRead(path);
            if (file.Length > MaxBytesBefore) throw new RunFolderException($"'{path}' has {file.Length} bytes; the state of a run has at most {MaxBytesBefore}.");
            var state = JsonSerializer.Deserialize<RunState>(file, RunJson.File) ?? throw new RunFolderException($"'{path}' holds no state of a run.");
            if (state.Format > CurrentFormat) throw new RunFolderException($"'{path}' is of format {state.Format}; this program reads formats 1 to {CurrentFormat}. Resume with the version that wrote it.");
            if (state.Version is < OldestVersion or > MessageCodec.Version)
                throw new RunFolderException($"'{path}' was written by version {state.Version} of the protocol; this program continues runs of versions {OldestVersion} to {MessageCodec.Version}. Resume with the version that began the run.");
            // Workers of another version cannot come back.
            return state.Version == MessageCodec.Version ? state : state with { Version = MessageCodec.Version, Workers = [], IsFormer = true };
        }
        catch (Exception error) when (error is JsonException || StorageError.Is(error))
        {
            throw new RunFolderException($"'{path}' cannot be read: {error.Message}", error);
        }
    }

    private RunState Bounded() => this with
    {
        Format = CurrentFormat,
        Generations =
        [
            .. Generations.TakeLast(ClusterProtocol.KeptGenerations)
                .Select(start => start.Reason.Length <= MaxReason ? start : start with { Reason = start.Reason[..MaxReason] }),
        ],
    };
}
