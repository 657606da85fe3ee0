using Akka.TestKit;
using Distributed.Coordinator.Tests.Links;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Transport.Pipes;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>A worker without tensors, which sends what a test tells it to.</summary>
internal sealed class BenchWorker(CoordinatorBench bench, TestProbe probe, string name, Holding holding = default) : IDisposable
{
    private static readonly PlainSums _sums = new(1, CoordinatorBench.Layout);
    private Welcome? _welcome;
    private Conversation? _conversation;

    public TestProbe Probe => probe;

    public string Id => _welcome!.Worker;

    public Welcome Welcomed => _welcome!;

    public StarPeer Link { get; private set; } = null!;

    public void Say(IWorkerMessage message)
    {
        _conversation!.Say(message);
        Answer();
    }

    /// <summary>Answers the messages that it has received so far.</summary>
    public void Answer()
    {
        foreach (var due in _conversation!.Due()) probe.Send(bench.Actor, due);
    }

    /// <summary>The next message, which must be of this kind.</summary>
    public async Task<T> HearAsync<T>() where T : ICoordinatorMessage
    {
        while (true)
        {
            switch (await probe.ExpectMsgAsync<IControlMessage>())
            {
                case Numbered numbered:
                    if (_conversation!.Hear(numbered) is { } said) return Assert.IsType<T>(said);
                    break;
                case Heard heard:
                    _conversation!.Hear(heard);
                    break;
                case var other:
                    return Assert.IsType<T>(other);
            }
        }
    }

    /// <summary>
    /// Registers. The answer comes after all earlier messages to the worker, and must be its next one: there were no others.
    /// </summary>
    public async Task<Welcome> RegisterAsync()
    {
        byte[] token = holding.Generation > 0 ? bench.Star.Token : [];
        probe.Send(bench.Actor, new Register(MessageCodec.Version, name, "cpu", token, holding.Generation, holding.Applied));
        _welcome = await HearAsync<Welcome>();
        _conversation ??= new(_welcome.Conversation, ConversationLimits.Worker);
        return _welcome;
    }

    public async Task LinkAsync()
    {
        var identity = new LinkIdentity(StarBench.Job, _welcome!.Token, Id);
        Link = new(await LinkHandshake.ConnectAsync(_welcome.LinkHost, _welcome.LinkPort, identity, new(), default).Soon(), StarBench.Job);
    }

    /// <summary>Stops when the coordinator asks it to.</summary>
    public async Task HaltAsync(int generation, long applied, bool isHeard = false)
    {
        if (!isHeard) Assert.Equal(new Halt(generation), await HearAsync<Halt>());
        Say(new Halted(generation, applied));
    }

    /// <summary>Does its part of a round.</summary>
    public void Contribute(BeginPlan plan, long round)
    {
        var owed = _sums.Owed(plan.ToPlan(), Id, CoordinatorBench.Rounds.At(round)).ToList();
        foreach (var (header, payload) in owed) Link.Send(header, payload);
        if (owed.Count == 0) Link.SendPresent(plan.Generation, round);
    }

    /// <summary>Waits for the average of a round and reports it applied.</summary>
    public async Task ApplyAsync(int generation, long number)
    {
        var round = CoordinatorBench.Rounds.At(number);
        await Link.AverageAsync(generation, number, CoordinatorBench.Layout.Slices - CoordinatorBench.Layout.FirstSlice(round.Kind));
        Say(Applied(Report(number)));
    }

    /// <summary>Answers a call for its state.</summary>
    public async Task SendStateAsync(int generation, long applied, byte[] state)
    {
        Assert.Equal(new SendState(generation), await HearAsync<SendState>());
        Link.SendState(generation, applied, state);
    }

    /// <summary>The message that reports rounds.</summary>
    public static IWorkerMessage Applied(params RoundReport[] rounds) => new RoundsApplied(rounds);

    /// <summary>The report of a round that went well.</summary>
    public static RoundReport Report(long number)
    {
        var round = CoordinatorBench.Rounds.At(number);
        return new(number, new(7, (ulong)number), [round.Samples, 2.5, 3], 0.1, 1, 1, new(0.1, 0.2, 0.3, 0.4));
    }

    public void Dispose() => Link?.Dispose();
}
