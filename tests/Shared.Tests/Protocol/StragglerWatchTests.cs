using Distributed.Core.Planning;
using Distributed.Core.Protocol;

namespace Distributed.Shared.Tests.Protocol;

public sealed class StragglerWatchTests
{
    private static readonly Plan _plan = new(1, 0, 1000, ["a", "b"], Topology.Mesh);
    private static readonly TimeSpan _long = TimeSpan.FromSeconds(6);

    private readonly StragglerWatch _watch = new(8);

    [Fact]
    public void A_worker_three_times_as_slow_gets_a_third_of_the_work()
    {
        Begin(_plan);
        Train(_plan, 20, 0.01, 0.03);
        var (shares, why) = _watch.Tick(_long, _plan)!.Value;
        Assert.Equal((6, 2), (shares["a"], shares["b"]));
        Assert.Equal("b takes 3.0 times as long as the fastest for a micro-batch, and computes 2 instead of 4 of 8 from now on", why);
    }

    [Fact]
    public void A_balanced_plan_stays()
    {
        Begin(_plan);
        Train(_plan, 20, 0.01, 0.012);
        Assert.Null(_watch.Tick(_long, _plan));
        var moved = _plan with { Generation = 2, Shares = [6, 2] };
        Begin(moved);
        Train(moved, 20, 0.01, 0.03);
        Assert.Null(_watch.Tick(_long, moved));
    }

    [Fact]
    public void Nothing_is_moved_before_enough_steps_are_measured()
    {
        Begin(_plan);
        Train(_plan, StragglerWatch.Steps - 1, 0.01, 0.03);
        Assert.Null(_watch.Tick(_long, _plan));
        Train(_plan, 1, 0.01, 0.03);
        Assert.Null(_watch.Tick(TimeSpan.FromSeconds(1), _plan));
        Assert.NotNull(_watch.Tick(_long, _plan));
        _watch.Forget("b");
        Assert.Null(_watch.Tick(_long, _plan));
        Assert.Null(_watch.Tick(_long, null));
    }

    [Fact]
    public void One_slow_step_moves_nothing()
    {
        Begin(_plan);
        Train(_plan, 30, 0.01, 0.01);
        Train(_plan, 1, 0.01, 0.03);
        Assert.Null(_watch.Tick(_long, _plan));
    }

    [Fact]
    public void A_worker_without_micro_batches_gets_another_chance()
    {
        Begin(_plan);
        Train(_plan, 20, 0.01, 1);
        var (shares, _) = _watch.Tick(_long, _plan)!.Value;
        Assert.Equal(0, shares["b"]);
        var idle = _plan with { Generation = 2, Shares = [8, 0] };
        Begin(idle);
        var steps = 0;
        for (; _watch.Tick(_long, idle) is null; steps++)
        {
            Assert.InRange(steps, 0, 1000);
            Train(idle, 1, 0.01, 0);
        }
        Assert.True(steps > 50);
    }

    private void Begin(Plan plan) => Assert.Null(_watch.Tick(TimeSpan.Zero, plan));

    private void Train(Plan plan, int steps, double a, double b)
    {
        var shares = plan.SharesOf(8);
        for (var i = 0; i < steps; i++)
        {
            _watch.Applied("a", shares[0], shares[0] * a);
            _watch.Applied("b", shares[1], shares[1] * b);
        }
    }
}
