using Akka.TestKit;
using Akka.TestKit.Xunit;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>An actor system for tests of the coordinator's actor, whose timers run in virtual time.</summary>
public abstract class VirtualTimeKit : TestKit
{
    private const string Settings = """
        akka {
          loglevel = OFF
          stdout-loglevel = OFF
          scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit"
          test.single-expect-default = 60s
        }
        """;

    protected VirtualTimeKit() : base(Settings)
    {
    }

    protected void PassTime(TimeSpan time) => ((TestScheduler)Sys.Scheduler).Advance(time);

    /// <summary>All workers of a plan compute, exchange and apply a round.</summary>
    private protected static async Task StepAsync(BenchWorker[] workers, BeginPlan plan, long round)
    {
        foreach (var worker in workers) worker.Contribute(plan, round);
        foreach (var worker in workers) await worker.ApplyAsync(plan.Generation, round);
    }
}
