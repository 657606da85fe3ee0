using Akka.Actor;
using Distributed.Hosting.Messages;
using Distributed.Jobs;

namespace Distributed.Coordinator.Cluster;

// Before a run whose batch is as large as fits: asks the workers that the run begins with for their largest micro-batch, and takes the
// smallest answer. The run's own actor then replaces this one, and the workers register there.
internal sealed class ProbeActor : ReceiveActor
{
    private readonly Job _job;
    private readonly int _workers;
    private readonly bool _isOpen;
    private readonly Action<string> _say;
    private readonly TaskCompletionSource<Job> _result;
    private readonly Dictionary<IActorRef, (string Name, Probed? Answer)> _asked = [];

    /// <param name="isOpen">Whether other workers may replace a lost one.</param>
    public ProbeActor(Job job, int workers, bool isOpen, Action<string> say, TaskCompletionSource<Job> result)
    {
        (_job, _workers, _isOpen, _say, _result) = (job, workers, isOpen, say, result);
        var text = JobFile.Format(job);
        Receive<Register>(register =>
        {
            if (register.Version != MessageCodec.Version)
            {
                Sender.Tell(new Refused(MessageCodec.Difference(register.Version), MayReturn: false));
                return;
            }
            if (_asked.GetValueOrDefault(Sender).Answer is not null) return;
            _asked[Context.Watch(Sender)] = (Shown.InFull(register.Name), null);
            Sender.Tell(new Probe(text));
        });
        Receive<Probed>(Accept);
        Receive<Failed>(failed => Remove(Sender, failed.Reason));
        Receive<Leave>(leave => Remove(Sender, leave.Reason));
        Receive<Terminated>(gone => Remove(gone.ActorRef, "its process is gone"));
        // The system has probably killed it for the memory that it tried to allocate; a restarted worker would be killed again.
        Receive<CoordinatorNotice.LocalWorkerEnded>(ended => Fail(
            $"{ended.Worker} ended while it measured the largest micro-batch: {Shown.InFull(ended.Reason)}. "
            + "If it ran out of memory, lower --memory-fraction, or give batch and micro-batches as numbers"));
        Receive<CoordinatorNotice.Abort>(abort => Fail(abort.Reason));
        ReceiveAny(_ => { });
    }

    private void Accept(Probed probed)
    {
        if (!_asked.TryGetValue(Sender, out var worker) || worker.Answer is not null) return;
        if (probed.Samples < 1 || probed.TrainSamples < 1 || probed.What.Length > Probed.MaxWhat)
        {
            Remove(Sender, $"it reports impossible sizes: micro-batches of {probed.Samples} samples of {probed.TrainSamples}");
            return;
        }
        _asked[Sender] = (worker.Name, probed);
        _say($"{worker.Name} has memory for {probed.Samples} samples at a time: {Shown.InFull(probed.What)}");
        Probed[] answers = [.. _asked.Values.Select(asked => asked.Answer).OfType<Probed>()];
        if (answers.Length < _workers) return;
        int[] samples = [.. answers.Select(answer => answer.TrainSamples).Distinct().Order()];
        if (samples.Length > 1)
        {
            Fail($"the workers' data differs: they have {string.Join(", ", samples)} training samples. Give them the same files");
            return;
        }
        try
        {
            var resolved = AutoSizes.Resolve(_job, answers.Min(answer => answer.Samples), answers[0].TrainSamples, _workers);
            _say($"batch {resolved.BatchText} in {resolved.MicroBatches} micro-batches");
            _result.TrySetResult(resolved);
        }
        catch (JobException error)
        {
            Fail(error.Message);
        }
    }

    private void Remove(IActorRef worker, string reason)
    {
        if (!_asked.Remove(worker, out var lost) || lost.Answer is not null && _result.Task.IsCompleted) return;
        if (_isOpen) _say($"{lost.Name} is lost: {Shown.InFull(reason)}");
        else Fail($"{lost.Name} could not measure the largest micro-batch: {Shown.InFull(reason)}");
    }

    private void Fail(string reason) => _result.TrySetException(new RunFailedException(reason));
}
