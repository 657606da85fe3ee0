using System.Text.Json;
using Distributed.Jobs.Runs;

namespace Distributed.Shared.Tests.Predictions;

public sealed class PredictionTests
{
    private static readonly Gen<float[]> _logits = Gen.Float[-200, 200].Array[1, 12];

    [Fact]
    public void Probabilities_are_the_softmax_and_the_label_is_the_largest_of_them() => _logits.Sample(logits =>
    {
        string[] labels = [.. Enumerable.Range(0, logits.Length).Select(i => $"class {i}")];
        var prediction = Prediction.Of("a.png", logits, labels);
        Assert.Equal(labels, prediction.Probabilities!.Keys);
        Assert.Equal(1, prediction.Probabilities.Values.Sum(p => (double)p), 1e-5);
        Assert.Equal(labels[Array.IndexOf(logits, logits.Max())], prediction.Label);
        Assert.Equal(prediction.Probabilities[prediction.Label!], prediction.Probability);
        Assert.Equal(prediction.Probabilities.Values.Max(), prediction.Probability);
        var sum = logits.Sum(logit => Math.Exp((double)logit - logits[0]));
        foreach (var (logit, probability) in logits.Zip(prediction.Probabilities.Values))
            Assert.Equal(Math.Exp((double)logit - logits[0]) / sum, probability, 1e-6);
    });

    [Fact]
    public void A_prediction_survives_a_round_trip() =>
        Gen.Select(_logits, Gen.String.Where(s => !s.Any(char.IsSurrogate))).Sample((logits, file) =>
        {
            var line = Prediction.Of(file, logits, [.. logits.Select((_, i) => $"class {i}")]).ToLine();
            Assert.DoesNotContain('\n', line);
            var read = Prediction.Parse(line);
            Assert.Equal(file, read.File);
            Assert.Equal(logits, read.Logits!);
            Assert.Equal(line, read.ToLine());
        });

    [Fact]
    public void A_failed_prediction_has_only_a_file_and_an_error() =>
        Assert.Equal("""{"file":"é.png","error":"is cut short"}""", new Prediction { File = "é.png", Error = "is cut short" }.ToLine());

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("Computes with libtorch")]
    public void Malformed_lines_are_refused(string line) => Assert.Throws<JsonException>(() => Prediction.Parse(line));
}
