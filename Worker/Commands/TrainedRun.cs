using System.Security.Cryptography;
using System.Text.Json;
using Distributed.Core;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;
using Distributed.Worker.Natives;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Commands;

internal sealed record TrainedRun(Job Job, SafetensorsContent Model, string ModelPath, DataDescription Data)
{
    private const string ParametersSha256 = "parameters_sha256";
    private const int MaxReportBytes = 64 << 20;

    /// <summary>Reads a run and uses it. Errors are printed for the user.</summary>
    /// <returns>Exit code: 0 done, 1 failed, 2 invalid input.</returns>
    public static int Use(string folder, Action<TrainedRun> use)
    {
        try
        {
            var run = Read(folder);
            ExternalLibtorch.Load(static _ => { });
            set_num_threads(run.Job.Threads);
            use(run);
            return 0;
        }
        // The file of the model is damaged, or its tensors do not fit the job's model.
        catch (Exception error) when (error is InvalidDataException or SafetensorsException)
        {
            return CommandLine.Fail(2, Damaged(Path.Combine(folder, RunFiles.Model), error.Message));
        }
        catch (Exception error) when (error is PredictException or JobException or PluginException or DataException or DeviceException
            or LibtorchException)
        {
            return CommandLine.Fail(2, error.Message);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(1, error.Message);
        }
    }

    private static TrainedRun Read(string folder)
    {
        string In(string name) => Path.Combine(folder, name);
        const string Give = "give the folder of a finished run with --run";
        if (!Directory.Exists(folder)) throw new PredictException($"'{folder}' does not exist; {Give}");
        if (!File.Exists(In(RunFiles.Job))) throw new PredictException($"'{folder}' has no {RunFiles.Job}, so it holds no run; {Give}");
        if (!File.Exists(In(RunFiles.Model)))
        {
            throw new PredictException($"'{folder}' has no {RunFiles.Model}: its run is not finished; go on with it "
                + "(train --resume --run DIR), or give the folder of another");
        }
        try
        {
            using var file = File.OpenRead(In(RunFiles.Model));
            var model = Safetensors.Read(file);
            if (FaultBy(In(RunFiles.Report), model) is { } fault) throw new PredictException(Damaged(In(RunFiles.Model), fault));
            var job = TorchScriptFile.OfRun(JobFile.Load(In(RunFiles.Job)), folder);
            var data = job.Data is KnownData known ? DataSets.Describe(known.Name) : ReadData(In(RunFiles.Data));
            return new(job, model, In(RunFiles.Model), data);
        }
        catch (JsonException error)
        {
            throw new PredictException($"'{In(RunFiles.Report)}' is damaged: {error.Message}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PredictException($"'{folder}' cannot be read: {error.Message}", error);
        }
    }

    // The user's own data may have been removed since; the run's folder describes it.
    private static DataDescription ReadData(string path)
    {
        if (!File.Exists(path))
            throw new PredictException($"'{path}' is missing, which describes the run's data; copy it from the run's original folder");
        if (new FileInfo(path).Length is var length and > DataDescription.MaxBytes)
            throw new PredictException($"'{path}' has {length} bytes; at most {DataDescription.MaxBytes} are allowed");
        try
        {
            return DataDescription.Parse(File.ReadAllText(path));
        }
        catch (FormatException error)
        {
            throw new PredictException($"'{path}' is damaged: {error.Message}", error);
        }
    }

    // Safetensors has no checksum; the run's report has one. A model copied from elsewhere has no report beside it.
    private static string? FaultBy(string report, SafetensorsContent model)
    {
        if (!File.Exists(report)) return null;
        if (new FileInfo(report).Length > MaxReportBytes) throw new JsonException($"it has more than {MaxReportBytes} bytes");
        using var file = File.OpenRead(report);
        using var document = JsonDocument.Parse(file);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty(ParametersSha256, out var sum) || sum.ValueKind != JsonValueKind.String)
            throw new JsonException($"it has no {ParametersSha256}");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in model.Tensors) hash.AppendData(tensor.Data.Span);
        var found = Convert.ToHexStringLower(hash.GetHashAndReset());
        return sum.ValueEquals(found) ? null : $"the SHA-256 of its tensors is {found}; {RunFiles.Report} says {sum}";
    }

    private static string Damaged(string path, string fault) =>
        $"'{path}' is damaged, or not of this run: {fault.TrimEnd('.')}; copy it again from where it is whole, or train again";
}

/// <summary>A run's model cannot be used. The message is for the user: what was found, what to do.</summary>
internal sealed class PredictException(string message, Exception? cause = null) : Exception(message, cause);
