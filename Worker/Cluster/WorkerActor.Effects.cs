using Akka.Actor;
using Akka.Event;
using Distributed.Core.Protocol;
using Distributed.Hosting.Cluster;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Cluster;

/// <summary>What the worker's actor does for each effect of <see cref="JoinProtocol"/>.</summary>
internal sealed partial class WorkerActor
{
    private void Execute(JoinEffect effect)
    {
        switch (effect)
        {
            case JoinEffect.StartTimer start:
                Timers.StartSingleTimer(start.Timer, new Local.Happened(new JoinEvent.TimedOut(start.Timer)), After(start.Timer));
                break;
            case JoinEffect.StopTimers:
                Timers.CancelAll();
                break;
            case JoinEffect.Register:
                Register();
                break;
            case JoinEffect.Probe probe:
                StartProbe(probe.Job);
                break;
            case JoinEffect.TellProbed:
                _coordinator.Tell(_probed);
                Context.Unwatch(_coordinator);
                break;
            case JoinEffect.ReadJob:
                ReadJob();
                break;
            case JoinEffect.FindData:
                Task.Run(() => DataParts.Missing(_job.Data, _options.Data)).PipeTo(
                    Self,
                    success: missing => new Local.Happened(
                        missing is null ? new JoinEvent.DataReady() : new JoinEvent.DataMissing(missing)),
                    failure: Failed);
                break;
            case JoinEffect.RequestData request:
                _line!.Say(new FindData(request.Missing));
                break;
            case JoinEffect.FetchData:
                var (self, key) = (Self, _offered!.Key);
                new DataFetch(_job, _welcome, _options, _metrics.Links)
                    .RunAsync(_offered, () => self.Tell(new SendData(key)), _stopping.Token)
                    .PipeTo(Self, success: fetched => new Local.Fetched(fetched.Data, fetched.Link), failure: Failed);
                break;
            case JoinEffect.Prepare prepare:
                _session = new(_welcome, _job, _data with { NotDelivered = prepare.NotDelivered }, _options, _metrics, Self);
                break;
            case JoinEffect.Link:
                var delivered = _delivered;
                _delivered = null;
                Links.ConnectAsync(_session!, _prepared!, delivered, _stopping.Token)
                    .PipeTo(Self, success: connected => new Local.Connected(connected), failure: Failed);
                break;
            case JoinEffect.Relink:
                _log.Info("Rejoined as {0}, with {1} rounds applied", _welcome.Worker, _session!.Replica.Holding.Applied);
                Links.ConnectAsync(_session, _stopping.Token).PipeTo(Self, success: pipe => new Local.Reconnected(pipe), failure: Failed);
                break;
            case JoinEffect.TellPrepared:
                _line!.Say(Prepared.Of(_session!.Facts!, default, _session.Data, _initialized));
                break;
            case JoinEffect.Resume:
                _session!.Links!.Connect(_relinked!);
                // Before the reports: they do not count if the coordinator finds that these rounds were rolled back.
                _line!.Say(Prepared.Of(_session.Facts!, _session.Replica.Holding, _session.Data));
                _session.Resume(Self, _welcome.ReportFrom);
                break;
            case JoinEffect.AskToLeave leave:
                _line!.Say(new Leave(leave.Reason));
                break;
            case JoinEffect.TellFailed failed when _line is null:
                _coordinator.Tell(new Failed(failed.Reason));
                break;
            case JoinEffect.TellFailed failed:
                _line.Say(new Failed(failed.Reason));
                break;
            case JoinEffect.Return back:
                _outcome = Returning(back.Reason, back.Cause == ReturnCause.Refused);
                Context.Stop(Self);
                break;
            case JoinEffect.End end:
                _outcome = new(end.Cause is EndCause.Left or EndCause.Dismissed ? 0 : 1, end.Reason);
                Context.Stop(Self);
                break;
        }
    }

    private LinkSetup Links => new(_options, _welcome, _metrics.Links, _logger);

    private static Local Failed(Exception error) =>
        new Local.Happened(error is LinkException ? new JoinEvent.LinkFailed(error.Message) : new JoinEvent.Failed(error.Message));

    private TimeSpan After(JoinTimer timer) => timer switch
    {
        // A node that joined the cluster of a coordinator that was killed just then is never accepted.
        JoinTimer.Node => TimeSpan.FromSeconds(8),
        // A node that the cluster does not keep loses each of its messages; another node need not.
        JoinTimer.Answer => TimeSpan.FromSeconds(30),
        JoinTimer.Coordinator => _options.Remaining,
        _ => TimeSpan.FromSeconds(1),
    };

    private void Register()
    {
        if (_session is { Replica.Fault: { } fault })
        {
            Decide(new JoinEvent.Failed(fault));
            return;
        }
        var holding = _session?.Replica.Holding ?? default;
        var protocol = Akka.Cluster.Cluster.Get(Context.System).SelfAddress.Protocol;
        var coordinator = $"{protocol}://{ClusterNode.SystemName}@{_options.Coordinator}/user/{ClusterNode.CoordinatorActor}";
        Context.ActorSelection(coordinator).Tell(new Register(
            MessageCodec.Version, _session?.Worker ?? _options.Name, $"{_options.Device}", _session?.Token ?? [],
            holding.Generation, holding.Applied, _options.MetricsPort, _session?.ReportsFrom ?? 0));
    }

    private void StartProbe(string job)
    {
        // The coordinator may ask again, since the worker registers again.
        if (_probe is not var (known, _) || known != job)
        {
            // A thread of its own, as it computes for long.
            _probe = (job, Task.Factory.StartNew(
                () => MemoryProbe.Run(
                    JobFile.Parse(job, "the coordinator's job"), _options.Data, _options.Device, _options.MemoryFraction, _options.Plugins,
                    stopping: _stopping.Token),
                _stopping.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        }
        _probe.Value.Answer.PipeTo(Self, failure: Failed);
    }

    private void ReadJob()
    {
        _session?.Dispose();
        _session = null;
        try
        {
            _job = JobFile.Parse(_welcome.Job, "the coordinator's job");
        }
        catch (JobException error)
        {
            Decide(new JoinEvent.Failed($"the coordinator sent a job that this version does not understand: {error.Message}"));
            return;
        }
        _log.Info("Joined as {0}: {1} on {2}, model {3}", _welcome.Worker, _job.Task, _job.Data, _job.Model);
        Decide(new JoinEvent.JobRead(NeedsFiles: DataParts.Of(_job.Data).Count > 0));
    }
}
