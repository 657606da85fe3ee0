using Distributed.Transport.Buffers;

namespace Distributed.Shared.Tests.Links.Pipes;

/// <summary>Copies with invented times of an ordinary and a non-temporal copy, and an interruption now and then.</summary>
public sealed class CopyChoiceTests
{
    /// <summary>A former time is forgotten after some trials.</summary>
    private const int Forgotten = 30 * CopyChoice.Trial;

    private static readonly Gen<(double Ordinary, double Streaming)> _times = Gen.Select(Gen.Double[0.01, 1], Gen.Double[0.1, 10])
        .Select((streaming, factor) => (factor * streaming, streaming))
        .Where(times => Math.Abs(times.Item1 / times.Item2 - 2) > 0.6);

    [Fact]
    public void Copies_bypass_the_caches_while_ordinary_ones_are_slow() =>
        _times.Array[1, 4].Sample(phases =>
        {
            var choice = default(CopyChoice);
            foreach (var phase in phases)
            {
                for (var copy = 0; copy < Forgotten; copy++) Copy(ref choice, phase, interruption: 1);
                if (choice.IsStreaming != phase.Ordinary > 2 * phase.Streaming) return false;
            }
            return true;
        });

    [Fact]
    public void An_interruption_is_soon_forgotten() => Gen.Select(_times, Gen.Double[1, 1000]).Sample((times, interruption) =>
    {
        var choice = default(CopyChoice);
        for (var copy = 0; copy < Forgotten; copy++) Copy(ref choice, times, interruption: 1);
        Copy(ref choice, times, interruption);
        for (var copy = 0; copy < Forgotten; copy++) Copy(ref choice, times, interruption: 1);
        return choice.IsStreaming == times.Ordinary > 2 * times.Streaming;
    });

    [Fact]
    public void The_other_way_of_copying_is_tried_rarely() => _times.Sample(times =>
    {
        var (choice, others) = (default(CopyChoice), 0);
        for (var copy = 0; copy < 10 * CopyChoice.Trial; copy++)
            if (Copy(ref choice, times, interruption: 1) != times.Ordinary > 2 * times.Streaming) others++;
        return others is > 0 and <= 12;
    });

    private static bool Copy(ref CopyChoice choice, (double Ordinary, double Streaming) times, double interruption)
    {
        var isStreaming = choice.Next();
        choice.Record(isStreaming, interruption * (isStreaming ? times.Streaming : times.Ordinary));
        return isStreaming;
    }
}
