using System.Security.Cryptography;
using Distributed.EndToEnd.Tests.Processes;
using Distributed.Jobs;
using Distributed.Jobs.State;

namespace Distributed.EndToEnd.Tests;

/// <summary>Compares a finished run with <see cref="ReferenceLoop"/>: the model, every step, the evaluation, the samples.</summary>
internal static class SameBits
{
    public static void Require(Job job, TrainingRun run, string? dataDirectory = null)
    {
        var expected = ReferenceLoop.Train(job, dataDirectory);
        Assert.Equal(Tensors(expected.Model), Tensors(run.Model));
        Assert.Equal(expected.Model, run.Model);
        Assert.Equal(
            expected.Steps.Select((step, i) => FormattableString.Invariant(
                $"{i + 1},{step.Loss:R},{step.Applied.LearningRate:R},{step.Applied.GradientNorm:R}")),
            File.ReadLines(run["history.csv"]).Skip(1).Select(line => line.Split(','))
                .Select(cells => string.Join(',', cells[0], cells[2], cells[3], cells[4])));
        var report = run.Report;
        Assert.Equal(expected.TestLoss, report.TestLoss);
        Assert.Equal(expected.TestMetric, report.TestMetric);
        Assert.Equal(expected.Steps.Count, report.Steps);
        Assert.Equal(report.SamplesExpected, report.SamplesApplied);
    }

    /// <summary>A line for each tensor, so that a difference shows its name.</summary>
    private static IEnumerable<string> Tensors(byte[] model) => Safetensors.Read(model).Tensors.Select(tensor =>
        $"{tensor.Name} {tensor.DType}[{string.Join(',', tensor.Shape)}] {Convert.ToHexStringLower(SHA256.HashData(tensor.Data.Span))}");
}
