using Akka.Actor;
using Distributed.Hosting.Messages;
using Distributed.Jobs;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// Before the run of a job whose batch is as large as fits: asks the workers that the run begins with, and takes the smallest answer. Then
/// it makes room for the run's own actor, which they offer themselves to next.
/// </summary>
internal sealed class ProbeActor : ReceiveActor
{
    private readonly Job _job;
    private readonly int _workers;
    private readonly bool _isOpen;
    private readonly Action<string> _say;
    private readonly TaskCompletionSource<Job> _result;
    private readonly Dictionary<IActorRef, (string Name, Probed? Answer)> _asked = [];

    /// <param name="workers">How many workers it waits for.</param>
    /// <param name="isOpen">Whether others may come in place of one that is lost.</param>
    /// <param name="result">Receives the job with nothing left open.</param>
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
        Receive<Probed>(Take);
        Receive<Failed>(failed => Lose(Sender, failed.Reason));
        Receive<Leave>(leave => Lose(Sender, leave.Reason));
        Receive<Terminated>(gone => Lose(gone.ActorRef, "its process is gone"));
        // Most likely the system has killed it, for the memory that it tried to take: started again, it would meet the same end.
        Receive<CoordinatorNotice.LocalWorkerEnded>(ended => Fail(
            $"{ended.Worker} has ended while it found out how large a micro-batch may be: {Shown.InFull(ended.Reason)}. "
            + "Where it has taken too much memory, lower --memory-fraction, or give batch and micro-batches as numbers"));
        Receive<CoordinatorNotice.Abort>(abort => Fail(abort.Reason));
        ReceiveAny(_ => { });
    }

    private void Take(Probed probed)
    {
        if (!_asked.TryGetValue(Sender, out var worker) || worker.Answer is not null) return;
        if (probed.Samples < 1 || probed.TrainSamples < 1 || probed.What.Length > Probed.MaxWhat)
        {
            Lose(Sender, $"it reports impossible sizes: micro-batches of {probed.Samples} samples of {probed.TrainSamples}");
            return;
        }
        _asked[Sender] = (worker.Name, probed);
        _say($"{worker.Name} has memory for {probed.Samples} samples at a time: {Shown.InFull(probed.What)}");
        Probed[] answers = [.. _asked.Values.Select(asked => asked.Answer).OfType<Probed>()];
        if (answers.Length < _workers) return;
        if (answers.Select(answer => answer.TrainSamples).Distinct().Count() > 1)
        {
            Fail($"the workers' data differs: they have {string.Join(", ", answers.Select(answer => answer.TrainSamples).Distinct().Order())} training samples. Give them the same files");
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

    private void Lose(IActorRef worker, string reason)
    {
        if (!_asked.Remove(worker, out var lost) || lost.Answer is not null && _result.Task.IsCompleted) return;
        if (_isOpen) _say($"{lost.Name} is lost: {Shown.InFull(reason)}");
        else Fail($"{lost.Name} could not find out how large a micro-batch may be: {Shown.InFull(reason)}");
    }

    private void Fail(string reason) => _result.TrySetException(new RunFailedException(reason));
}
