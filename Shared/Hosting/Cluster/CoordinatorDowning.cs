using Akka.Actor;
using Akka.Cluster;

namespace Distributed.Hosting.Cluster;

/// <summary>
/// The coordinator alone decides who is out: whoever it has not heard again within a grace after it lost sight of them. No
/// other node decides anything, so that neither a coordinator that stands still nor who leads the cluster matters.
/// </summary>
internal sealed class CoordinatorDowning : IDowningProvider
{
    private readonly Akka.Cluster.Cluster _cluster;

    /// <summary>Made by Akka, from the settings.</summary>
    public CoordinatorDowning(ActorSystem system, Akka.Cluster.Cluster cluster) => _cluster = cluster;

    /// <summary>
    /// Begins when the silence is noticed. A coordinator that stood still itself notices it when it wakes, and hears everybody
    /// again at its next heartbeat, a second later.
    /// </summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan DownRemovalMargin => TimeSpan.Zero;

    public Props DowningActorProps => Props.Create(() => new Judge(_cluster, Grace));

    private sealed class Judge : ReceiveActor, IWithTimers
    {
        private readonly Akka.Cluster.Cluster _cluster;

        public Judge(Akka.Cluster.Cluster cluster, TimeSpan grace)
        {
            _cluster = cluster;
            Receive<ClusterEvent.UnreachableMember>(e => Timers.StartSingleTimer(e.Member.UniqueAddress, new Overdue(e.Member.Address), grace));
            Receive<ClusterEvent.ReachableMember>(e => Timers.Cancel(e.Member.UniqueAddress));
            Receive<ClusterEvent.MemberRemoved>(e => Timers.Cancel(e.Member.UniqueAddress));
            Receive<Overdue>(overdue => cluster.Down(overdue.Address));
        }

        public ITimerScheduler Timers { get; set; } = null!;

        protected override void PreStart() => _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.IReachabilityEvent), typeof(ClusterEvent.MemberRemoved));

        protected override void PostStop() => _cluster.Unsubscribe(Self);

        private sealed record Overdue(Address Address) : INoSerializationVerificationNeeded;
    }
}
