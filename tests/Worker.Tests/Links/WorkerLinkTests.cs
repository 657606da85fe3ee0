using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Distributed.Shared.Kernel;
using Distributed.Shared.Links;
using Distributed.Shared.Metrics;
using Distributed.Worker.Links;
using Prometheus;

namespace Distributed.Worker.Tests.Links;

public sealed class WorkerLinkTests : IAsyncLifetime, IWorkerLinkObserver
{
    private const ulong Job = 0xD15;
    private const int StateBytes = (2 * FrameHeader.MaxLength) + 5;

    private static readonly VectorLayout _layout = new((2 * VectorLayout.SliceFloats) + 10, 3);

    private readonly CollectorRegistry _registry = Metrics.NewCustomRegistry();
    private readonly ScriptedCoordinator _coordinator = new(Job);
    private readonly VectorPool _pool = new(_layout);
    private readonly WorkerLink _link;
    private readonly BlockingCollection<(int Generation, long Round)> _averages = [];
    private readonly BlockingCollection<(int Generation, long Applied, byte[] Bytes)> _states = [];
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WorkerLinkTests() => _link = NewLink();

    public async ValueTask InitializeAsync() => await ConnectAsync(_link, _coordinator.Token);

    public ValueTask DisposeAsync()
    {
        _link.Dispose();
        _coordinator.Dispose();
        _pool.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task The_link_begins_with_the_token_and_the_workers_id() => Assert.Equal("würker", await _coordinator.Greeted.Soon());

    [Fact]
    public async Task A_wrong_token_is_refused()
    {
        using var stranger = NewLink();
        using var coordinator = new ScriptedCoordinator(Job);

        var refusal = await Assert.ThrowsAsync<LinkException>(() =>
            stranger.ConnectAsync(ScriptedCoordinator.Host, coordinator.Port, new byte[16], "stranger", default).Soon());

        Assert.StartsWith("the coordinator refused this worker's link: ", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("the token is wrong", await coordinator.Closed.Soon());
        Assert.False(_closed.Task.IsCompleted);
    }

    [Fact]
    public async Task A_coordinator_that_is_not_there_is_named()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        using var lonely = NewLink();

        var refusal = await Assert.ThrowsAsync<LinkException>(() => lonely.ConnectAsync(ScriptedCoordinator.Host, port, new byte[16], "w", default).Soon());

        Assert.StartsWith($"the coordinator's link at 127.0.0.1:{port} cannot be reached: ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_average_arrives_whole_whatever_the_order_of_its_slices() => Gen.Shuffle(Slices(0)).Sample(order =>
    {
        var average = Random(order[0]);
        _link.Expect(3, 5, 0);

        foreach (var slice in order) _coordinator.SendAverage(average, 3, 5, slice);

        Assert.Equal((3, 5), _averages.TakeSoon());
        var taken = _link.TakeAverage();
        Assert.Equal(average.Floats, taken.Floats);
        Assert.Equal(average.Tallies, taken.Tallies);
        taken.Release();
        average.Release();
    }, iter: 10, threads: 1);

    [Fact]
    public void An_evaluation_needs_the_tallies_alone()
    {
        var average = Random(1);
        _link.Expect(3, 5, _layout.TallySlice);

        _coordinator.SendAverage(average, 3, 5, _layout.TallySlice);

        Assert.Equal((3, 5), _averages.TakeSoon());
        var taken = _link.TakeAverage();
        Assert.Equal(average.Tallies, taken.Tallies);
        taken.Release();
        average.Release();
    }

    [Fact]
    public void An_average_that_is_not_complete_cannot_be_taken()
    {
        _link.Expect(1, 0, 0);
        Assert.Throws<InvalidOperationException>(() => _link.TakeAverage());
    }

    public static TheoryData<int, long, int, string> WrongAverages => new()
    {
        { 2, 8, 0, "the average of round 8, generation 2 received, (2, 7) expected" },
        { 2, 6, 0, "the average of round 6, generation 2 received, (2, 7) expected" },
        { 3, 7, 0, "the average of round 7, generation 3 received, (2, 7) expected" },
        { 2, 7, 4, "slice 4 of the average received, which is not awaited" },
        { 2, 7, -1, "slice -1 of the average received, which is not awaited" },
        { 2, 7, 1, "slice 1 of the average received, which is not awaited" },
    };

    [Theory, MemberData(nameof(WrongAverages))]
    public async Task An_average_that_is_not_awaited_closes_the_link_with_the_reason(int generation, long round, int slice, string reason)
    {
        var average = Random(1);
        _link.Expect(2, 7, 0);
        _coordinator.SendAverage(average, 2, 7, 1);
        var payload = average.SliceMemory(slice is >= 0 and < 4 ? slice : 0);

        _coordinator.Send(new(FrameKind.Average, Job, generation, round, slice, default, payload.Length), payload);

        Assert.Equal(reason, await _closed.Task.Soon());
        Assert.Equal(1, await RefusedAsync(MetricLabels.Violation));
        Assert.Empty(_averages);
    }

    [Fact]
    public async Task A_frame_that_no_coordinator_sends_closes_the_link()
    {
        _coordinator.Send(new(FrameKind.Contribution, Job, 1, 0, 0, new(0, 1), 0));
        Assert.Equal("the coordinator sent a frame of kind Contribution", await _closed.Task.Soon());
    }

    [Fact]
    public async Task A_frame_of_another_job_closes_the_link()
    {
        _coordinator.Send(new(FrameKind.Average, Job + 1, 1, 0, 0, default, 0));
        Assert.Equal("a frame of another job was received", await _closed.Task.Soon());
    }

    [Fact]
    public async Task A_slice_of_another_length_closes_the_link()
    {
        _link.Expect(1, 0, 0);
        _coordinator.Send(new(FrameKind.Average, Job, 1, 0, 0, default, 8), new byte[8]);
        Assert.Equal($"Average frame of 8 bytes received, {VectorLayout.SliceFloats * sizeof(float)} expected", await _closed.Task.Soon());
    }

    [Fact]
    public async Task What_belongs_to_an_older_generation_is_thrown_away_and_counted()
    {
        var (old, average) = (Random(1), Random(2));
        _link.Expect(4, 9, 0);
        _coordinator.SendAverage(old, 4, 9, 0);
        _link.Expect(5, 9, 0);

        for (var slice = 1; slice < 4; slice++) _coordinator.SendAverage(old, 4, 9, slice);
        _coordinator.SendState(4, 3, new byte[StateBytes]);
        foreach (var slice in Slices(0)) _coordinator.SendAverage(average, 5, 9, slice);

        Assert.Equal((5, 9), _averages.TakeSoon());
        var taken = _link.TakeAverage();
        Assert.Equal(average.Floats, taken.Floats);
        Assert.Equal(average.Tallies, taken.Tallies);
        Assert.Empty(_averages);
        Assert.Empty(_states);
        // The first slice of the old average may have come before or after the new generation.
        Assert.InRange(await RefusedAsync(MetricLabels.Stale), 6, 7);
        Assert.Equal(0, await RefusedAsync(MetricLabels.Violation));
    }

    [Fact]
    public void A_state_arrives_in_pieces_and_whole()
    {
        var state = new byte[StateBytes];
        new Random(1).NextBytes(state);
        _link.Expect(2, 0, 0);

        _coordinator.SendState(2, 6, state);

        var (generation, applied, bytes) = _states.TakeSoon();
        Assert.Equal((2, 6), (generation, applied));
        Assert.Equal(state, bytes);
    }

    [Fact]
    public async Task A_state_of_another_length_closes_the_link()
    {
        _link.Expect(2, 0, 0);
        _coordinator.SendState(2, 6, new byte[10]);
        Assert.Equal($"a state of 10 bytes in 1 pieces received, {StateBytes} bytes expected", await _closed.Task.Soon());
    }

    [Fact]
    public void Sums_states_and_presence_are_sent_as_they_are()
    {
        var sum = Random(3);
        _link.SendSum(1, 4, new(2, 2), sum, 0);
        _link.SendPresent(1, 5);
        _link.SendState(1, 6, new byte[StateBytes]);

        var received = _coordinator.NextSum(_pool, 1, new(4, RoundKind.Train, 0, 4, 0, 4, 4), new(2, 2));
        Assert.Equal(sum.Memory.ToArray(), received.Memory.ToArray());
        Assert.Equal(new(FrameKind.Present, Job, 1, 5, 0, default, 0), _coordinator.NextFrame().Header);
        for (var piece = 0; piece < 3; piece++)
        {
            var header = _coordinator.NextFrame().Header;
            Assert.Equal((FrameKind.State, 1, 6L, piece, new TreeNode(3, StateBytes)), (header.Kind, header.Generation, header.Round, header.Slice, header.Node));
        }
        sum.Release();
        received.Release();
    }

    [Fact]
    public async Task The_end_of_the_other_side_is_told()
    {
        _coordinator.Close("enough");
        // Closed in order or reset: that is for the two systems to settle.
        Assert.Contains("connection", await _closed.Task.Soon(), StringComparison.Ordinal);
    }

    void IWorkerLinkObserver.AverageArrived(int generation, long round) => _averages.Add((generation, round));

    void IWorkerLinkObserver.StateArrived(int generation, long applied, byte[] state) => _states.Add((generation, applied, state));

    void IWorkerLinkObserver.LinkClosed(string reason) => _closed.TrySetResult(reason);

    private WorkerLink NewLink() => new(Job, _pool, StateBytes, this, new WorkerMetrics(_registry, "cpu").Links);

    private Task ConnectAsync(WorkerLink link, byte[] token) =>
        link.ConnectAsync(ScriptedCoordinator.Host, _coordinator.Port, token, "würker", default).Soon();

    private static int[] Slices(int first) => [.. Enumerable.Range(first, _layout.Slices - first)];

    private VectorBuffer Random(int seed)
    {
        var vector = _pool.Rent();
        var random = new Random(seed);
        foreach (ref var value in vector.Floats) value = random.NextSingle();
        foreach (ref var value in vector.Tallies) value = random.NextDouble();
        return vector;
    }

    private async Task<double> RefusedAsync(string reason)
    {
        using var stream = new MemoryStream();
        await _registry.CollectAndExportAsTextAsync(stream);
        var line = Encoding.UTF8.GetString(stream.ToArray()).Split('\n')
            .Single(l => l.StartsWith($"{MetricNames.RefusedFrames}{{", StringComparison.Ordinal) && l.Contains($"\"{reason}\"", StringComparison.Ordinal));
        return double.Parse(line.Split(' ')[^1]);
    }
}
