using System.Text.Json;
using System.Text.Json.Serialization;
using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Runs;

// The coordinator.json of a run: what a restarted coordinator needs to take over the workers. It holds the job's token, so only
// its user may read it.
internal sealed record RunState
{
    public const int CurrentFormat = 2; // The format that is written. Format 1, which has no number, held every generation.
    public const int MaxReason = 300; // The stored length of a generation's reason in characters; events.jsonl has all of it.
    private const int MaxBytes = 64 << 20; // Accepts files of format 1, which grew with the number of generations.
    private const int OldestVersion = 7; // The oldest protocol version whose runs can be resumed, with new workers.

    public int Format { get; init; } = 1;
    public required int Version { get; init; } // The protocol version of the run's workers.

    /// <summary>Whether an older protocol version wrote the file: without join tokens, and without a record of certificates.</summary>
    [JsonIgnore]
    public bool IsFormer { get; init; }
    public required string JobName { get; init; }

    // Addresses. A null Bind is that of Host, a null MetricsBind is Bind, a null PageBind is loopback.
    public required string Host { get; init; }
    public string? Bind { get; init; }
    public required int Port { get; init; }
    public required int LinkPort { get; init; }
    public required int MetricsPort { get; init; }
    public string? MetricsBind { get; init; }
    public int PagePort { get; init; }
    public string? PageBind { get; init; }

    /// <summary>Host names that requests for metrics and page may use, in addition to the machine's own.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];
    public required byte[] Token { get; init; } // Proves that a worker belongs to the job.
    public string? TokenFile { get; init; } // The file with the join token; null if the processes use certificates.
    public required bool IsOpen { get; init; } // Whether the workers are started elsewhere and therefore outlive the coordinator.
    public required int MinWorkers { get; init; }
    public bool IsInitialStrict { get; init; } = true; // Whether a file of initial parameters must hold exactly the model's tensors.
    public DateTimeOffset? StartedAt { get; init; }
    public int Generation { get; init; }

    /// <summary>The last plan's generation. In an inexact job, workers that missed its begin may hold rolled-back rounds.</summary>
    public int PlanGeneration { get; init; }
    public IReadOnlyList<GenerationStart> Generations { get; init; } = []; // The newest generations and why they began.
    public long StepsRedone { get; init; }
    public IReadOnlyList<string> Workers { get; init; } = [];
    public WorkerFacts? Facts { get; init; } // What all workers agree on; null before the first one was prepared.

    public RunState With(ClusterProtocol cluster) => this with
    {
        Generation = cluster.Generation,
        PlanGeneration = cluster.PlanGeneration,
        Generations = cluster.Generations,
        StepsRedone = cluster.StepsRedone,
        Workers = cluster.Plan is { } plan ? plan.Workers : Workers,
        Facts = cluster.Facts,
    };

    public ClusterProtocol ToCluster(JobShape job, Topology topology, int startWith, bool isOpen, long reached, StoredState? state) => new()
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
        Reached = reached,
        Stored = state,
        Returning = [.. IsOpen ? Workers : []],
    };

    public void Save(string path) => Save(LocalDisk.Instance, path);

    public void Save(IFileSystem files, string path) =>
        AtomicFile.Write(files, path, stream => JsonSerializer.Serialize(stream, Bounded(), RunJson.File), isPrivate: true);

    public static RunState Load(string path) => Load(LocalDisk.Instance, path);

    public static RunState Load(IFileSystem files, string path)
    {
        try
        {
            if (!files.FileExists(path))
                throw new RunFolderException($"'{path}' does not exist: the folder holds no run that could be resumed. "
                    + "Give the folder of one with --run.");
            using var file = files.OpenRead(path);
            if (file.Length > MaxBytes)
                throw new RunFolderException($"'{path}' has {file.Length} bytes; the state of a run has at most {MaxBytes}.");
            var state = JsonSerializer.Deserialize<RunState>(file, RunJson.File)
                ?? throw new RunFolderException($"'{path}' holds no state of a run.");
            if (state.Format > CurrentFormat)
                throw new RunFolderException($"'{path}' is of format {state.Format}; this program reads formats 1 to {CurrentFormat}. "
                    + "Resume with the version that wrote it.");
            if (state.Version is < OldestVersion or > MessageCodec.Version)
                throw new RunFolderException($"'{path}' was written by version {state.Version} of the protocol; "
                    + $"this program continues runs of versions {OldestVersion} to {MessageCodec.Version}. "
                    + "Resume with the version that began the run.");
            // Workers of another version cannot return.
            return state.Version == MessageCodec.Version ? state
                : state with { Version = MessageCodec.Version, Workers = [], IsFormer = true };
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
