using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Distributed.Bench.Processes;
using Distributed.Core.Planning;
using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Bench.Training;

/// <summary>
/// The training loop that a TorchSharp user would write: one process, the module's own parameters, torch's optimizer. It is the baseline in
/// time and memory, so that a slow worker cannot make distribution look cheap.
/// </summary>
internal static class PlainLoop
{
    public static ChildCommand Command(string jobFile, int epochs, int batch, string data, int passes = 1) =>
        ChildCommand.Dotnet(
            Programs.Bench, "plain-loop", "--job", jobFile, "--epochs", $"{epochs}", "--batch", $"{batch}", "--passes", $"{passes}",
            "--data-dir", data);

    /// <summary>Reads the median time of a step from the output of such a process.</summary>
    public static double Milliseconds(ChildResult result)
    {
        using var json = JsonDocument.Parse(result.Output[^1]);
        return json.RootElement.GetProperty("ms").GetDouble();
    }

    /// <summary>Trains and writes one line of JSON: {"what":"plain","batch":64,"ms":52.1}.</summary>
    /// <param name="passes">Equal parts of a batch, with one forward and backward pass each.</param>
    /// <returns>Exit code.</returns>
    public static int Run(string jobFile, int epochs, int batch, int passes, string data)
    {
        var job = JobFile.Load(jobFile, [$"batch={batch}", $"epochs={epochs}"]);
        set_num_threads(job.Threads);
        var set = DataSets.Load(job, new() { DataDirectory = data }).Train;
        using var model = JobModels.CreateModel(job, set.Format);
        using var optimizer = optim.SGD(model.parameters(), ((GradientSpec)job.Optimizer).LearningRate);
        model.train();
        var milliseconds = new List<double>();
        for (var epoch = 0; epoch < job.Epochs; epoch++)
        {
            var order = Permutation.Of(set.Count, job.Seed, epoch);
            for (var first = 0; first + batch <= order.Length; first += batch)
            {
                var begin = Stopwatch.GetTimestamp();
                Step(model, optimizer, set, order.AsSpan(first, batch), passes);
                milliseconds.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            }
        }
        Console.WriteLine(JsonSerializer.Serialize(new { what = "plain", batch, ms = History.SteadyMilliseconds(milliseconds) }));
        return 0;
    }

    private static void Step(nn.Module model, optim.Optimizer optimizer, SampleSet set, ReadOnlySpan<int> samples, int passes)
    {
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        var length = samples.Length / passes;
        for (var pass = 0; pass < passes; pass++) AddGradients(model, set, samples.Slice(pass * length, length), passes);
        optimizer.step();
    }

    private static void AddGradients(nn.Module model, SampleSet set, ReadOnlySpan<int> samples, int passes)
    {
        using var scope = NewDisposeScope();
        var images = empty([samples.Length, .. set.Format.Shape.Select(size => (long)size)], ScalarType.Float32);
        var labels = empty([samples.Length], ScalarType.Float32);
        set.CopyTo(samples, MemoryMarshal.Cast<byte, float>(images.bytes), MemoryMarshal.Cast<byte, float>(labels.bytes));
        var loss = nn.functional.cross_entropy(model.Call(images), labels.to(ScalarType.Int64)) / passes;
        loss.backward();
        // A user's loop would print its loss.
        _ = loss.item<float>();
    }
}
