using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using Distributed.Core.Planning;
using Distributed.Core.Protocol;
using Distributed.Core.Reduction;
using Distributed.Hosting.Metrics;
using Distributed.Transport.Buffers;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace Distributed.Bench.AllReduce;

/// <param name="Rank">From 0 to below <paramref name="World"/>.</param>
/// <param name="Rounds">At least 2; only the second half is measured, after the code is compiled.</param>
/// <param name="Rendezvous">The folder where the ranks publish their ports.</param>
internal sealed record RankArguments(int Rank, int World, int Floats, int Rounds, string Rendezvous, bool Tcp);

/// <summary>
/// A process of an all-reduce: the worker's own exchange, with a vector of ones instead of a gradient. Rank 0 writes one line of JSON:
/// {"what":"allreduce","world":N,"floats":F,"ms":median,"allocated_bytes_per_round":x}. The runtime counts allocation when it hands memory
/// to threads, in pieces of 8 KiB, so allocation shows over a thousand rounds; a precise count would itself allocate.
/// </summary>
internal static class RankProgram
{
    private const ulong Job = 1;
    private static readonly byte[] _token = new byte[16];
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(30);

    /// <returns>Exit code.</returns>
    public static int Run(RankArguments arguments)
    {
        var (rank, world, floats, count, _, _) = arguments;
        var warmup = count / 2;
        var rounds = new Rounds(world * count, 0, 1, world, world);
        using var pool = new VectorPool(new(floats, Tally.FirstMetric));
        var metrics = new WorkerMetrics(Metrics.NewCustomRegistry(), "none").Links;
        using var waiting = new SemaphoreSlim(0);
        var options = new LinkOptions { SharedMemory = !arguments.Tcp };
        using var links = new WorkerLinks(
            new(new(Job, _token, NameOf(rank)), rounds, pool, 1, new(false), options, null), notice => Receive(notice, waiting));
        using var listener = new LinkListener(
            new(IPAddress.Loopback, 0), Job, _token, _ => true, links.Accept, metrics, NullLogger.Instance, options);
        var plan = new Plan(1, 0, rounds.Count, [.. Enumerable.Range(0, world).Select(NameOf)], Topology.Mesh);
        links.Begin(plan, FindRanks(arguments, listener.Port));

        var sum = pool.Rent();
        sum.Floats.Fill(1);
        sum.Tallies.Fill(1);
        var laps = new double[count - warmup];
        var allocated = 0L;
        for (var round = 0; round < count; round++)
        {
            if (round == warmup) allocated = GC.GetTotalAllocatedBytes(precise: false);
            var start = Stopwatch.GetTimestamp();
            Reduce(links, arguments, round, sum, waiting);
            if (round >= warmup) laps[round - warmup] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        allocated = GC.GetTotalAllocatedBytes(precise: false) - allocated;
        sum.Release();
        Array.Sort(laps);
        if (rank == 0)
        {
            var (ms, bytes) = (laps[laps.Length / 2], (double)allocated / laps.Length);
            var figures = string.Create(CultureInfo.InvariantCulture, $"\"ms\":{ms:0.0000},\"allocated_bytes_per_round\":{bytes:0.##}");
            Console.WriteLine($"{{\"what\":\"allreduce\",\"world\":{world},\"floats\":{floats},{figures}}}");
        }
        return 0;
    }

    private static void Reduce(WorkerLinks links, RankArguments arguments, int round, VectorBuffer sum, SemaphoreSlim waiting)
    {
        links.Enter(round);
        links.Contribute(new(arguments.Rank, 1), 0, sum.Layout.Slices, sum);
        while (!links.Await(_never))
            if (!waiting.Wait(_timeout)) throw new TimeoutException($"round {round} timed out");
        var average = links.TakeAverage();
        if (average.Tallies[Tally.Samples] != arguments.World || average.Floats[^1] != 1)
            throw new InvalidDataException($"round {round} has a wrong sum");
        average.Release();
    }

    private static readonly Func<bool> _never = () => false;

    private static string NameOf(int rank) => $"rank-{rank}";

    private static ImmutableArray<LinkEndpoint> FindRanks(RankArguments arguments, int port)
    {
        var mine = Path.Combine(arguments.Rendezvous, NameOf(arguments.Rank));
        File.WriteAllText(mine + ".new", port.ToString(CultureInfo.InvariantCulture));
        File.Move(mine + ".new", mine);
        return [.. Enumerable.Range(0, arguments.World).Select(rank =>
        {
            var path = Path.Combine(arguments.Rendezvous, NameOf(rank));
            if (!SpinWait.SpinUntil(() => File.Exists(path), _timeout)) throw new TimeoutException($"rank {rank} did not publish its port");
            return new LinkEndpoint("127.0.0.1", int.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture));
        })];
    }

    private static void Receive(LinkNotice notice, SemaphoreSlim waiting)
    {
        if (notice is LinkNotice.AverageComplete) waiting.Release();
        else if (notice is LinkNotice.PeerLost lost) Console.Error.WriteLine($"{lost.Peer}: {lost.Reason}");
    }
}
