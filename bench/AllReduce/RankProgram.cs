using Distributed.Shared.Processes;

namespace Distributed.Bench.AllReduce;

/// <summary>One rank's part in an all-reduce.</summary>
internal sealed record RankArguments
{
    /// <summary>This rank, from 0.</summary>
    public required int Rank { get; init; }

    /// <summary>Number of ranks.</summary>
    public required int World { get; init; }

    /// <summary>Length of the vector.</summary>
    public required int Floats { get; init; }

    /// <summary>How often it is reduced.</summary>
    public required int Rounds { get; init; }

    /// <summary>Folder in which the ranks find each other.</summary>
    public required string Rendezvous { get; init; }

    /// <summary>Whether shared memory is left unused.</summary>
    public required bool Tcp { get; init; }
}

/// <summary>
/// A process of an all-reduce over tensor links. Rank 0 writes one line of JSON:
/// {"what":"allreduce","world":N,"floats":F,"ms":median,"allocated_bytes_per_round":x}.
/// </summary>
internal static class RankProgram
{
    /// <summary>Takes part in the rounds.</summary>
    /// <returns>Exit code.</returns>
    public static Task<int> RunAsync(RankArguments arguments) =>
        Task.FromResult(CommandLine.Fail(1, $"not available: rank {arguments.Rank} of {arguments.World} has no links to reduce over"));
}
