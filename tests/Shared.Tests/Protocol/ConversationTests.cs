using Distributed.Hosting.Messages;

namespace Distributed.Shared.Tests.Protocol;

public sealed class ConversationTests
{
    private static readonly ConversationLimits _limits = new(
        TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(60), Window: 3);

    [Fact]
    public void Messages_arrive_once_and_in_order_despite_loss_repetition_and_delay() =>
        Gen.Select(Gen.Int, Gen.Int[0, 20], Gen.Int[0, 20], Gen.Int[1, 5]).Sample((seed, here, there, window) =>
        {
            var random = new Random(seed);
            var limits = _limits with { Window = window };
            Conversation[] ends = [new(7, limits), new(7, limits)];
            List<int>[] heard = [[], []];
            int[] said = [0, 0];
            var network = new List<(int To, IControlMessage Message)>();
            for (var step = 0; ; step++)
            {
                var isFaulty = step < 300;
                var end = random.Next(2);
                if (said[end] < (end == 0 ? here : there) && random.Next(3) == 0) ends[end].Say(new Halt(said[end]++));
                if (random.Next(10) == 0) ends[end].Pass(_limits.Repeat);
                network.AddRange(ends[end].Due().Select(message => (1 - end, message)));
                if (network.Count > 0)
                {
                    var at = random.Next(network.Count);
                    var (to, message) = network[at];
                    if (!isFaulty || random.Next(4) > 0) network.RemoveAt(at);
                    if (isFaulty && random.Next(4) == 0) continue;
                    if (message is Heard answer) ends[to].Hear(answer);
                    else if (ends[to].Hear((Numbered)message) is Halt halt) heard[to].Add(halt.Generation);
                }
                if (said[0] == here && said[1] == there && network.Count == 0 && ends.All(e => e.IsQuiet)) break;
                Assert.True(step < 20_000, $"messages are missing: {heard[0].Count} of {there}, {heard[1].Count} of {here}");
            }
            Assert.Equal(Enumerable.Range(0, here), heard[1]);
            Assert.Equal(Enumerable.Range(0, there), heard[0]);
        });

    [Fact]
    public void Unacknowledged_messages_are_resent_with_backoff_and_then_given_up()
    {
        var conversation = new Conversation(7, _limits);
        foreach (var generation in (int[])[1, 2, 3, 4]) conversation.Say(new Halt(generation));
        Assert.Equal([1, 2, 3], Numbers(conversation));
        var sent = new List<(int Second, int Messages)>();
        for (var second = 1; !conversation.IsGivenUp; second++)
        {
            conversation.Pass(TimeSpan.FromSeconds(1));
            if (conversation.Due() is { Count: > 0 } due) sent.Add((second, due.Count));
        }
        // The whole window once; then, without an answer, only the first message.
        Assert.Equal([(1, 3), (3, 1), (7, 1), (11, 1)], sent.Take(4));
        Assert.Equal("Halt was not acknowledged for 60 s", conversation.Unanswered);
        Assert.Equal(sent.Sum(s => s.Messages), conversation.Repeated);
    }

    [Fact]
    public void After_silence_an_answer_sends_the_rest_at_once()
    {
        var conversation = new Conversation(7, _limits);
        foreach (var generation in (int[])[1, 2, 3, 4]) conversation.Say(new Halt(generation));
        Numbers(conversation);
        for (var second = 0; second < 20; second++)
        {
            conversation.Pass(TimeSpan.FromSeconds(1));
            Numbers(conversation);
        }
        conversation.Hear(new Heard(7, 1));
        Assert.Equal([2, 3, 4], Numbers(conversation));
        conversation.Hear(new Heard(7, 4));
        Assert.True(conversation.IsQuiet);
        Assert.False(conversation.IsGivenUp);
    }

    [Fact]
    public void Messages_of_another_conversation_and_unknown_acknowledgements_are_ignored()
    {
        var conversation = new Conversation(7, _limits);
        Assert.Null(conversation.Hear(Numbered.Of(8, 1, 0, new Halt(1))));
        Assert.True(conversation.IsQuiet);
        conversation.Say(new Halt(1));
        Numbers(conversation);
        conversation.Hear(new Heard(8, 1));
        conversation.Hear(new Heard(7, long.MaxValue));
        conversation.Hear(new Heard(7, -1));
        Assert.False(conversation.IsQuiet);
        Assert.Null(conversation.Hear(Numbered.Of(7, 2, 0, new Halt(2))));
        Assert.Equal(new Halt(1), conversation.Hear(Numbered.Of(7, 1, 0, new Halt(1))));
        Assert.Null(conversation.Hear(Numbered.Of(7, 1, 0, new Halt(1))));
        Assert.Equal([new Heard(7, 1)], conversation.Due());
    }

    private static List<long> Numbers(Conversation conversation) =>
        [.. conversation.Due().OfType<Numbered>().Select(message => message.Number)];
}
