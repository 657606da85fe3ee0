using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links;

public sealed class ReducerTests
{
    private static readonly Gen<Job> _job =
        from micro in Gen.Int[1, 10]
        from steps in Gen.Int[1, 3]
        from test in Gen.OneOfConst(0, 1, 600)
        from floats in Gen.Frequency(
            (4, Gen.Int[0, 600]),
            (1, Gen.Int[VectorLayout.SliceFloats - 1, VectorLayout.SliceFloats + 1]),
            (1, Gen.Int[1, 3 * VectorLayout.SliceFloats]))
        from tallies in Gen.Int[1, 5]
        from options in Gen.Select(Gen.Bool, Gen.Bool, Gen.Bool, Gen.Int)
        select new Job(
            new(steps * 10, test, 1, 10, micro, options.Item1), new(floats, tallies), new(options.Item2), options.Item3, options.Item4);

    [Fact]
    public void Averages_have_the_bits_of_a_plain_sum_under_any_order_of_arrival_and_change_of_plan() => _job.Sample(job =>
    {
        using var bench = new Bench(job);
        for (var round = 0; round < job.Rounds.Count; round++) bench.Reduce(round, bench.Any.Next(3));
        bench.AssertAllReturned();
    });

    [Fact]
    public void A_contribution_that_is_not_awaited_is_refused_and_changes_nothing() => _job.Sample(job =>
    {
        using var bench = new Bench(job) { HasNoise = true };
        for (var round = 0; round < job.Rounds.Count; round++) bench.Reduce(round, bench.Any.Next(2));
        bench.AssertAllReturned();
    });

    [Fact]
    public void A_round_abandoned_in_the_middle_holds_no_buffers() => _job.Sample(job =>
    {
        using var bench = new Bench(job);
        bench.Begin(0);
        bench.Arrive(bench.Any.Next(20));
        bench.LetGo();
        bench.AssertAllReturned();
        bench.Reduce(0, replans: 1);
        bench.AssertAllReturned();
    });

    [Fact]
    public void Rounds_allocate_nothing()
    {
        // Seven micro-batches of three workers in a star: nodes wait, are added in place, and where they were received.
        var layout = new VectorLayout(VectorLayout.SliceFloats + 100, 3);
        var rounds = new Rounds(10_000, 0, 1, 10, 7);
        var rules = new RoundExchange(rounds, layout, isCoordinator: true);
        using var reducer = new Reducer(rules, layout, new(IsBfloat16: false));
        using var pool = new VectorPool(layout);
        var plan = new Plan(1, 0, rounds.Count, ["one", "two", "three"], Topology.Star);
        rules.Begin(plan, Plan.Coordinator);
        var nodes = Enumerable.Range(0, 3)
            .SelectMany(worker => new ReductionTree(7).Cover(plan.RangeOf(worker, 7)), (worker, node) => (worker, node)).ToArray();
        new Random(1).Shuffle(nodes);
        var payload = new byte[FrameHeader.MaxLength];
        Reduce(0, 20);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Reduce(20, 1000);
        // A garbage collection during other tests charges 24 bytes to every thread.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);

        void Reduce(int first, int end)
        {
            for (var round = first; round < end; round++)
            {
                var average = pool.Rent();
                reducer.Enter(round, average);
                foreach (var (worker, node) in nodes)
                    for (var slice = 0; slice < layout.Slices; slice++)
                        reducer.Arrive(worker, node, slice, payload.AsSpan(0, layout.WireBytesOf(slice, isBfloat16: false)));
                while (rules.TryNextComplete(out _)) continue;
                Assert.True(rules.IsComplete);
                average.Release();
            }
        }
    }

    private sealed record Job(Rounds Rounds, VectorLayout Layout, WireFormat Wire, bool IsStar, int Seed);

    /// <summary>A reducer and its senders.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly Job _job;
        private readonly RoundExchange _rules;
        private readonly Reducer _reducer;
        private readonly PooledBuffers _buffers;
        private readonly List<(TreeNode Node, VectorBuffer Buffer, byte[] Bytes)> _own = [];
        private Plan _plan;
        private int _self;
        private Round _round;
        private TreeSums _sums = null!;
        private VectorBuffer? _average;
        private Queue<(int Worker, TreeNode Node, int Slice)> _owed = [];

        public Bench(Job job)
        {
            (_job, Any, _buffers) = (job, new(job.Seed), new(job.Layout));
            _rules = new(job.Rounds, job.Layout, job.IsStar, job.Wire.IsBfloat16);
            _reducer = new(_rules, job.Layout, job.Wire);
            _plan = new(0, 0, job.Rounds.Count, [], job.IsStar ? Topology.Star : Topology.Mesh);
        }

        public Random Any { get; }

        /// <summary>Whether unexpected contributions arrive now and then.</summary>
        public bool HasNoise { get; init; }

        /// <summary>Runs a round with this many changes of the plan, and checks its averages.</summary>
        public void Reduce(long round, int replans)
        {
            for (; replans >= 0; replans--)
            {
                if (_plan.Workers.IsEmpty || replans > 0 || Any.Next(2) == 0) Begin(round);
                else Enter(round);
                Arrive(replans > 0 ? Any.Next(_owed.Count + 1) : _owed.Count);
                if (replans > 0) LetGo();
            }
            AssertAverages();
            // The next round or Dispose releases this one.
            LetGoOfVectors();
        }

        /// <summary>Begins a new plan for other workers, and its first round.</summary>
        public void Begin(long round)
        {
            var workers = Any.Next(1, 7);
            _plan = _plan with
            {
                Generation = _plan.Generation + 1,
                FirstRound = round,
                Workers = [.. Enumerable.Range(0, workers).Select(i => $"worker-{i}")],
            };
            _self = _job.IsStar ? Plan.Coordinator : Any.Next(workers);
            _rules.Fence(_plan.Generation);
            _reducer.Clear();
            _rules.Begin(_plan, _self);
            Enter(round);
        }

        /// <summary>Delivers this many of the remaining frames.</summary>
        public void Arrive(int frames)
        {
            for (; frames > 0 && _owed.Count > 0; frames--)
            {
                if (HasNoise && Any.Next(3) == 0) ArriveNoise();
                var owed = _owed.Dequeue();
                if (owed.Worker == _self) ArriveOwn(owed.Node, owed.Slice);
                else _reducer.Arrive(owed.Worker, owed.Node, owed.Slice, PayloadOf(owed.Node, owed.Slice));
            }
        }

        /// <summary>Stops the round.</summary>
        public void LetGo()
        {
            _reducer.Clear();
            LetGoOfVectors();
        }

        public void AssertAllReturned()
        {
            _reducer.Clear();
            _buffers.AssertAllReturned();
        }

        public void Dispose()
        {
            _reducer.Dispose();
            _buffers.Pool.Dispose();
        }

        private IEnumerable<int> OwnedSlices => Enumerable.Range(0, _job.Layout.Slices).Where(_rules.Owns);

        private void Enter(long round)
        {
            _average = _buffers.Rent();
            Any.NextBytes(_average.GetSpan());
            _reducer.Enter(round, _average);
            _round = _plan.RoundAt(_job.Rounds, round);
            _sums = new(_job.Seed, _job.Layout, _round);
            var owed = Enumerable.Range(0, _plan.Workers.Length)
                .SelectMany(CoverOf, (worker, node) => (Worker: worker, Node: node))
                .SelectMany(_ => OwnedSlices, (sent, slice) => (sent.Worker, sent.Node, slice)).ToArray();
            Any.Shuffle(owed);
            _owed = new(owed);
        }

        private List<TreeNode> CoverOf(int worker) =>
            new ReductionTree(_round.MicroBatches).Cover(_plan.RangeOf(worker, _round.MicroBatches));

        private void ArriveOwn(TreeNode node, int slice)
        {
            var sum = _own.Find(own => own.Node == node).Buffer ?? NewOwn(node);
            _reducer.ArriveOwn(_self, node, slice, sum);
        }

        private void ArriveNoise()
        {
            var (worker, node) =
                (Any.Next(_plan.Workers.Length), new TreeNode(Any.Next(_round.MicroBatches), Any.Next(1, _round.MicroBatches + 1)));
            var slice = Any.Next(_job.Layout.Slices);
            if (_owed.Contains((worker, node, slice))) return;
            var noise = new byte[_job.Layout.WireBytesOf(slice, _job.Wire.IsBfloat16)];
            Any.NextBytes(noise);
            Assert.Throws<InvalidOperationException>(() => _reducer.Arrive(worker, node, slice, noise));
        }

        private byte[] PayloadOf(TreeNode node, int slice)
        {
            var sum = _buffers.Rent();
            Write(node, sum);
            var copies = new WireCopies(_job.Wire, _buffers.Pool);
            var payload = copies.Of(sum, slice).Bytes.ToArray();
            copies.Clear();
            sum.Release();
            return payload;
        }

        private void AssertAverages()
        {
            Assert.Empty(_owed);
            var complete = new List<int>();
            for (var worker = 0; worker < _plan.Workers.Length; worker++) _rules.ArrivePresent(worker);
            while (_rules.TryNextComplete(out var slice)) complete.Add(slice);
            Assert.Equal(OwnedSlices, complete.Order());
            var rounded = Enumerable.Range(0, _plan.Workers.Length).Where(worker => _job.Wire.IsBfloat16 && worker != _self)
                .SelectMany(CoverOf).ToHashSet();
            var (floats, tallies) = _sums.Root(rounded);
            floats = [.. floats.Select(sum => sum / _round.Samples)];
            if (_job.Wire.IsBfloat16) floats = TreeSums.Rounded(floats);
            foreach (var slice in complete)
            {
                var expected = slice == _job.Layout.TallySlice
                    ? MemoryMarshal.AsBytes(tallies.AsSpan())
                    : MemoryMarshal.AsBytes(floats.AsSpan()).Slice(_job.Layout.BytesOf(slice).Offset, _job.Layout.BytesOf(slice).Length);
                Assert.True(expected.SequenceEqual(_average!.SliceMemory(slice).Span), $"slice {slice} of {_round} has other bits");
            }
            Assert.All(_own, own => Assert.Equal(own.Bytes, own.Buffer.GetSpan().ToArray()));
        }

        private VectorBuffer NewOwn(TreeNode node)
        {
            var sum = _buffers.Rent();
            sum.GetSpan().Clear();
            Write(node, sum);
            _own.Add((node, sum, sum.GetSpan().ToArray()));
            return sum;
        }

        private void Write(TreeNode node, VectorBuffer into)
        {
            var (floats, tallies) = _sums.Of(node);
            floats.CopyTo(into.Floats);
            tallies.CopyTo(into.Tallies);
        }

        private void LetGoOfVectors()
        {
            foreach (var own in _own) own.Buffer.Release();
            _own.Clear();
            _average?.Release();
            _average = null;
        }
    }
}
