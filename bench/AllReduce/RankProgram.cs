using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Protocol;
using Distributed.Worker.Links;
using Microsoft.Extensions.Logging.Abstractions;

namespace Distributed.Bench.AllReduce;

/// <summary>One process of an all-reduce: the worker's own exchange, with a vector of ones instead of a gradient.</summary>
/// <param name="Rank">0..World-1.</param>
/// <param name="World">Processes in all.</param>
/// <param name="Floats">Length of the vector.</param>
/// <param name="Rounds">Rounds that are timed.</param>
/// <param name="Rendezvous">Empty folder where the processes tell each other their ports.</param>
/// <param name="Tcp">Whether shared memory is off.</param>
public sealed record RankProgram(int Rank, int World, int Floats, int Rounds, string Rendezvous, bool Tcp)
{
    private const ulong Job = 1;
    private static readonly byte[] _token = new byte[16];
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    private int Warmup => Math.Max(10, Rounds / 2);

    /// <summary>Takes part; rank 0 prints the median.</summary>
    /// <returns>Exit code.</returns>
    public int Run()
    {
        var rounds = new Rounds(World * (Warmup + Rounds), 0, 1, World, World);
        using var pool = new VectorPool(new(Floats, Tally.FirstMetric));
        using var waiting = new SemaphoreSlim(0);
        var options = new LinkOptions { SharedMemory = !Tcp };
        using var exchange = new Exchange(
            new(new(Job, _token, NameOf(Rank)), rounds, pool, 1, new(false), options, null), new Observer(waiting));
        using var listener = new LinkListener(new(IPAddress.Loopback, 0), Job, _token, _ => true, exchange.Accept, null, NullLogger.Instance, options);
        var plan = new Plan(1, 0, rounds.Count, [.. Enumerable.Range(0, World).Select(NameOf)], Topology.Mesh);
        exchange.Begin(plan, Meet(listener.Port));

        var sum = pool.Rent();
        sum.Floats.Fill(1);
        sum.Tallies.Fill(1);
        var laps = new double[Rounds];
        var allocated = 0L;
        for (var round = 0; round < Warmup + Rounds; round++)
        {
            if (round == Warmup) allocated = GC.GetTotalAllocatedBytes(precise: true);
            var start = Stopwatch.GetTimestamp();
            Reduce(exchange, round, sum, waiting);
            if (round >= Warmup) laps[round - Warmup] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        sum.Release();
        Array.Sort(laps);
        if (Rank == 0)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $$"""{"what":"allreduce","world":{{World}},"floats":{{Floats}},"ms":{{laps[laps.Length / 2]:0.0000}},"allocated_bytes_per_round":{{(double)allocated / Rounds:0.##}}}"""));
        return 0;
    }

    private void Reduce(Exchange exchange, int round, VectorBuffer sum, SemaphoreSlim waiting)
    {
        exchange.Expect(1, round);
        exchange.Contribute(new(Rank, 1), 0, sum.Layout.Slices, sum);
        while (!exchange.Await(_never))
            if (!waiting.Wait(_patience)) throw new TimeoutException($"round {round} does not end");
        var average = exchange.TakeAverage();
        if (average.Tallies[Tally.Samples] != World || (Floats > 0 && average.Floats[Floats - 1] != 1)) throw new InvalidDataException($"round {round} has a wrong sum");
        average.Release();
    }

    private static readonly Func<bool> _never = () => false;

    private static string NameOf(int rank) => $"rank-{rank}";

    private ImmutableArray<LinkEndpoint> Meet(int port)
    {
        var mine = Path.Combine(Rendezvous, NameOf(Rank));
        File.WriteAllText(mine + ".new", port.ToString(CultureInfo.InvariantCulture));
        File.Move(mine + ".new", mine);
        return [.. Enumerable.Range(0, World).Select(rank =>
        {
            var path = Path.Combine(Rendezvous, NameOf(rank));
            if (!SpinWait.SpinUntil(() => File.Exists(path), _patience)) throw new TimeoutException($"rank {rank} does not come");
            return new LinkEndpoint("127.0.0.1", int.Parse(File.ReadAllText(path), CultureInfo.InvariantCulture));
        })];
    }

    private sealed class Observer(SemaphoreSlim waiting) : IExchangeObserver
    {
        public void AverageComplete() => waiting.Release();
        public void StateArrived(int generation, long applied, byte[] state) { }
        public void CoordinatorLinkClosed(string reason) { }
        public void PeerLinkClosed(int generation, string peer, string reason) => Console.Error.WriteLine($"{peer}: {reason}");
    }
}
